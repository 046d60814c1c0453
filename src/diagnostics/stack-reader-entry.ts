/**
 * The entry of the reader thread (`stack-reader.ts`): receives the ids of threads, attaches the inspector to them, and
 * answers with their stacks. The inspector is attached for one read only.
 */
import { type InspectorNotification, type NodeWorker, Session } from 'node:inspector'
import { parentPort } from 'node:worker_threads'
import type { StackFrame, ThreadStack } from '../contract/stack.ts'

/** A thread that has not answered after this long is in native code. */
const ANSWER_TIMEOUT_MS = 1_000
/** The name that the evaluated expression has in the stack, where its own frame is left out. */
const PROBE = 'threadplane:stack'
const ENABLE_ID = 1
const PROBE_ID = 2

if (parentPort === null) throw new Error('stack-reader-entry must be started as a worker thread')
const port = parentPort
port.on('message', (threadIds: number[]) => {
  // A rejection ends this thread, and the control thread takes that as no answer.
  void readStacks(new Set(threadIds)).then((stacks) => port.postMessage(stacks))
})

type Stacks = Map<number, ThreadStack>
type Received = InspectorNotification<NodeWorker.ReceivedMessageFromWorkerEventDataType>

async function readStacks(wanted: Set<number>): Promise<Stacks> {
  const stacks: Stacks = new Map()
  /** Threads that have not answered yet, by the id of the inspector session with each. */
  const unanswered = new Map<string, number>()
  const session = new Session()
  session.connectToMainThread()
  const send = (sessionId: string, message: object) => {
    session.post('NodeWorker.sendMessageToWorker', { sessionId, message: JSON.stringify(message) })
  }
  let timer: NodeJS.Timeout | undefined
  await new Promise<void>((resolve) => {
    // In a later turn: the session must not be disconnected in a callback of its own.
    const end = () => setImmediate(resolve)
    const endIfAllAnswered = () => {
      if (unanswered.size === 0) end()
    }
    session.on('NodeWorker.attachedToWorker', ({ params: { sessionId, workerInfo } }) => {
      // The inspector attaches to all threads of the process, also to those that start meanwhile.
      const threadId = Number(/^\[worker (\d+)\]/.exec(workerInfo.title)?.[1])
      if (!wanted.delete(threadId)) return session.post('NodeWorker.detach', { sessionId })
      unanswered.set(sessionId, threadId)
      // V8 records the stack of a thrown value only while this domain is enabled.
      send(sessionId, { id: ENABLE_ID, method: 'Runtime.enable' })
      const expression = `throw 0\n//# sourceURL=${PROBE}`
      send(sessionId, { id: PROBE_ID, method: 'Runtime.evaluate', params: { expression, silent: true } })
    })
    session.on('NodeWorker.receivedMessageFromWorker', ({ params: { sessionId, message } }: Received) => {
      const threadId = unanswered.get(sessionId)
      // Other messages, such as earlier output of the console, are not parsed.
      if (threadId === undefined || !message.startsWith(`{"id":${PROBE_ID},`)) return
      const stack = toStack(message)
      if (stack !== undefined) stacks.set(threadId, stack)
      unanswered.delete(sessionId)
      endIfAllAnswered()
    })
    session.on('NodeWorker.detachedFromWorker', ({ params: { sessionId } }) => {
      if (unanswered.delete(sessionId)) endIfAllAnswered()
    })
    session.post('NodeWorker.enable', { waitForDebuggerOnStart: false }, endIfAllAnswered)
    timer = setTimeout(end, ANSWER_TIMEOUT_MS)
  })
  clearTimeout(timer)
  session.removeAllListeners()
  session.disconnect()
  for (const threadId of unanswered.values()) stacks.set(threadId, { state: 'blocked-native', frames: [] })
  return stacks
}

interface CallFrame {
  functionName: string
  url: string
  lineNumber: number
  columnNumber: number
}

/** `undefined` for a thread that is starting or ending: it has no context in which to evaluate. */
function toStack(message: string): ThreadStack | undefined {
  const { result } = JSON.parse(message) as {
    result?: { exceptionDetails?: { stackTrace?: { callFrames: CallFrame[] } } }
  }
  const callFrames = result?.exceptionDetails?.stackTrace?.callFrames
  if (callFrames === undefined) return undefined
  const frames = callFrames.filter(({ url }) => url !== PROBE).map(toFrame)
  return { state: frames.length > 0 ? 'running' : 'idle', frames }
}

function toFrame({ functionName, url, lineNumber, columnNumber }: CallFrame): StackFrame {
  return {
    function: functionName === '' ? '(anonymous)' : functionName,
    url,
    line: lineNumber + 1,
    column: columnNumber + 1,
  }
}
