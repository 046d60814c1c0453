/**
 * The entry of a thread that records one profile of another thread (`profiler.ts`): attaches the inspector, records, writes
 * the file, and posts how that ended.
 */
import { writeFileSync } from 'node:fs'
import { type InspectorNotification, type NodeWorker, Session } from 'node:inspector'
import { parentPort, workerData } from 'node:worker_threads'
import { type ProfileOutcome, type ProfileRequest, SNAPSHOT_WITHIN_MS } from '../contract/profile.ts'

/** A thread that has not answered after this long is in native code. Under load it answers late. */
const ANSWER_WITHIN_MS = 3_000
/** To stop a long profile is to make its JSON. */
const STOP_WITHIN_MS = 20_000
/** Bytes between two allocations that are recorded, as in V8's own tools. */
const ALLOCATION_INTERVAL = 32_768

if (parentPort === null) throw new Error('profiler-entry must be started as a worker thread')
const port = parentPort
const { threadId, request } = workerData as { threadId: number; request: ProfileRequest }

type Received = InspectorNotification<NodeWorker.ReceivedMessageFromWorkerEventDataType>

/** The inspector of one other thread. */
class RemoteInspector {
  readonly #session = new Session()
  readonly #answers = new Map<number, (text: string) => void>()
  #sessionId: string | undefined
  #lastId = 0
  #onDetached: () => void = () => {}
  /** Rejects when the thread has ended. */
  readonly #gone = new Promise<never>((_, reject) => {
    this.#onDetached = () => reject(new Error('gone'))
  })

  constructor() {
    this.#gone.catch(() => {})
  }

  /** False if there is no such thread. */
  async attach(wanted: number): Promise<boolean> {
    const session = this.#session
    session.connectToMainThread()
    session.on('NodeWorker.attachedToWorker', ({ params: { sessionId, workerInfo } }) => {
      // The inspector attaches to all threads of the process, also to those that start meanwhile.
      if (Number(/^\[worker (\d+)\]/.exec(workerInfo.title)?.[1]) === wanted) this.#sessionId = sessionId
      else session.post('NodeWorker.detach', { sessionId })
    })
    session.on('NodeWorker.detachedFromWorker', ({ params: { sessionId } }) => {
      if (sessionId === this.#sessionId) this.#onDetached()
    })
    session.on('NodeWorker.receivedMessageFromWorker', ({ params: { sessionId, message } }: Received) => {
      if (sessionId !== this.#sessionId) return
      // Notifications have no id at their begin, and are not parsed.
      const id = Number(/^\{"id":(\d+),/.exec(message)?.[1])
      this.#answers.get(id)?.(message)
      this.#answers.delete(id)
    })
    await new Promise<void>((resolve) =>
      session.post('NodeWorker.enable', { waitForDebuggerOnStart: false }, () => setImmediate(resolve)),
    )
    return this.#sessionId !== undefined
  }

  /** The result as JSON text; `undefined` if the thread does not answer in time. @throws if the thread has ended */
  async ask(method: string, params: object = {}, withinMs = ANSWER_WITHIN_MS): Promise<string | undefined> {
    this.#lastId += 1
    const id = this.#lastId
    const answer = new Promise<string>((resolve) => this.#answers.set(id, resolve))
    const message = JSON.stringify({ id, method, params })
    this.#session.post('NodeWorker.sendMessageToWorker', { sessionId: this.#sessionId as string, message })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), withinMs)
    })
    const text = await Promise.race([answer, late, this.#gone]).finally(() => clearTimeout(timer))
    const begin = `{"id":${id},"result":`
    if (text === undefined) return undefined
    if (!text.startsWith(begin)) throw new Error(text.slice(0, 500))
    return text.slice(begin.length, -1)
  }
}

const ended = new Promise<void>((resolve) => port.once('message', () => resolve()))

/** Resolves after the time, or when it is told to end. */
async function duration(seconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, seconds * 1_000)
  })
  await Promise.race([over, ended])
  clearTimeout(timer)
}

const SILENT: ProfileOutcome = { kind: 'blocked-native' }

async function record(): Promise<ProfileOutcome> {
  const inspector = new RemoteInspector()
  if (!(await inspector.attach(threadId))) return { kind: 'gone' }
  if (request.kind === 'heap-snapshot') return takeSnapshot(inspector, request.file)
  if (request.kind === 'cpu') {
    if ((await inspector.ask('Profiler.enable')) === undefined) return SILENT
    await inspector.ask('Profiler.setSamplingInterval', { interval: request.intervalUs })
  }
  const isCpu = request.kind === 'cpu'
  const started = isCpu
    ? await inspector.ask('Profiler.start')
    : await inspector.ask('HeapProfiler.startSampling', ALL_ALLOCATIONS)
  if (started === undefined) return SILENT
  await duration(request.seconds)
  const result = await inspector.ask(isCpu ? 'Profiler.stop' : 'HeapProfiler.stopSampling', {}, STOP_WITHIN_MS)
  if (result === undefined) return SILENT
  // It may be large, so it is cut out of its envelope, and not parsed: {"profile":…}
  writeFileSync(request.file, result.slice('{"profile":'.length, -1), { mode: 0o600 })
  return { kind: 'done' }
}

const ALL_ALLOCATIONS = {
  samplingInterval: ALLOCATION_INTERVAL,
  // Otherwise only what is still alive at the end is shown.
  includeObjectsCollectedByMajorGC: true,
  includeObjectsCollectedByMinorGC: true,
}

/**
 * The thread writes the file itself: over the inspector, the whole snapshot would be in memory once more. A snapshot cannot
 * be interrupted.
 */
async function takeSnapshot(inspector: RemoteInspector, file: string): Promise<ProfileOutcome> {
  if ((await inspector.ask('Runtime.evaluate', { expression: '0', silent: true })) === undefined) return SILENT
  const expression = `process.getBuiltinModule('v8').writeHeapSnapshot(${JSON.stringify(file)})`
  const answer = await inspector.ask('Runtime.evaluate', { expression, silent: true }, SNAPSHOT_WITHIN_MS)
  if (answer === undefined) return SILENT
  const { exceptionDetails } = JSON.parse(answer) as { exceptionDetails?: { exception?: { description?: string } } }
  if (exceptionDetails === undefined) return { kind: 'done' }
  return { kind: 'failed', why: exceptionDetails.exception?.description?.split('\n', 1)[0] ?? 'an error' }
}

try {
  port.postMessage(await record())
} catch (error) {
  const { message } = error as Error
  port.postMessage(message === 'gone' ? { kind: 'gone' } : { kind: 'failed', why: message })
}
