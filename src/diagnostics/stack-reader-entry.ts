/** The entry of the thread that looks at others: see `thread-stack.ts`. The inspector is attached for one look. */
import { type InspectorNotification, type NodeWorker, Session } from 'node:inspector'
import { parentPort } from 'node:worker_threads'
import type { StackFrame, ThreadStack } from '../contract/stack.ts'

/** How long a thread may take to answer before it is said to be in native code. */
const LOOK_MS = 1_000
const PROBE = 'threadplane:stack'
const ENABLE_ID = 1
const PROBE_ID = 2

const port = parentPort
if (port === null) throw new Error('this module is the entry of a worker thread')
port.on('message', (threadIds: number[]) => {
  // If that fails, so does this thread, and those who wait are told that.
  void lookAt(new Set(threadIds)).then((stacks) => port.postMessage(stacks))
})

type Stacks = Map<number, ThreadStack>
type Received = InspectorNotification<NodeWorker.ReceivedMessageFromWorkerEventDataType>

async function lookAt(wanted: Set<number>): Promise<Stacks> {
  const stacks: Stacks = new Map()
  /** Threads that have not answered yet, by the id of the inspector's session with each. */
  const asked = new Map<string, number>()
  const session = new Session()
  session.connectToMainThread()
  const send = (sessionId: string, message: object) => {
    session.post('NodeWorker.sendMessageToWorker', { sessionId, message: JSON.stringify(message) })
  }
  let timer: NodeJS.Timeout | undefined
  await new Promise<void>((resolve) => {
    // Not while the inspector tells a thing is it disconnected.
    const end = () => setImmediate(resolve)
    const endIfAllAnswered = () => {
      if (asked.size === 0) end()
    }
    session.on('NodeWorker.attachedToWorker', ({ params: { sessionId, workerInfo } }) => {
      // It attaches to all there are, and to those that begin meanwhile.
      const threadId = Number(/^\[worker (\d+)\]/.exec(workerInfo.title)?.[1])
      if (!wanted.delete(threadId)) return session.post('NodeWorker.detach', { sessionId })
      asked.set(sessionId, threadId)
      // What was thrown from where is kept only while this domain is enabled.
      send(sessionId, { id: ENABLE_ID, method: 'Runtime.enable' })
      const expression = `throw 0\n//# sourceURL=${PROBE}`
      send(sessionId, { id: PROBE_ID, method: 'Runtime.evaluate', params: { expression, silent: true } })
    })
    session.on('NodeWorker.receivedMessageFromWorker', ({ params: { sessionId, message } }: Received) => {
      const threadId = asked.get(sessionId)
      // Others, such as what the console said before, are not looked into.
      if (threadId === undefined || !message.startsWith(`{"id":${PROBE_ID},`)) return
      const stack = toStack(message)
      if (stack !== undefined) stacks.set(threadId, stack)
      asked.delete(sessionId)
      endIfAllAnswered()
    })
    session.on('NodeWorker.detachedFromWorker', ({ params: { sessionId } }) => {
      if (asked.delete(sessionId)) endIfAllAnswered()
    })
    session.post('NodeWorker.enable', { waitForDebuggerOnStart: false }, endIfAllAnswered)
    timer = setTimeout(end, LOOK_MS)
  })
  clearTimeout(timer)
  session.removeAllListeners()
  session.disconnect()
  for (const threadId of asked.values()) stacks.set(threadId, { state: 'blocked-native', frames: [] })
  return stacks
}

interface CallFrame {
  functionName: string
  url: string
  lineNumber: number
  columnNumber: number
}

/** `undefined` where it is only just beginning, or about to end: there is no context to evaluate in. */
function toStack(message: string): ThreadStack | undefined {
  const { result } = JSON.parse(message) as {
    result?: { exceptionDetails?: { stackTrace?: { callFrames: CallFrame[] } } }
  }
  const thrownFrom = result?.exceptionDetails?.stackTrace?.callFrames
  if (thrownFrom === undefined) return undefined
  const frames = thrownFrom.filter(({ url }) => url !== PROBE).map(toFrame)
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
