/**
 * Adds file and line to a syntax error of a service module. V8 knows them, but Node does not put them on the error; it
 * only prints them when the error ends a process. The inspector tells them.
 */
import { Session } from 'node:inspector/promises'
import { fileURLToPath } from 'node:url'

/** The result of `Runtime.getExceptionDetails`, which is missing in Node's types. */
interface ExceptionDetails {
  exceptionDetails: { lineNumber: number; columnNumber: number }
}

/** The global under which the inspector finds the error. */
const ERROR_KEY = 'threadplane.syntaxError'

/** The error with the location in its message; the error itself if the location cannot be found out. */
export async function withLocation(error: SyntaxError, url: string): Promise<SyntaxError> {
  const known = locationInStack(error)
  const location = known ?? (isFromLoader(error) ? await askInspector(error, url).catch(() => {}) : undefined)
  if (location === undefined) return error
  const advice = isTakenForCommonJs(error) ? `: ${ADVICE}` : ''
  return new SyntaxError(`${error.message} (${location})${advice}`, { cause: error })
}

const ADVICE =
  'Node takes this file for CommonJS; write "type": "module" in its package.json, or name it .mjs (.mts in TypeScript)'

/** The stack of an error in CommonJS begins with a path, and that of an ES module with a URL or not at all. */
function isTakenForCommonJs({ message, stack = '' }: SyntaxError): boolean {
  return /^(\/|[A-Z]:\\)/.test(stack) && /^(Cannot use import|Unexpected token 'export')/.test(message)
}

/** The stack of an error between modules, such as a missing export, or in CommonJS, begins with file and line. */
function locationInStack({ stack = '' }: SyntaxError): string | undefined {
  const [, file, line] = /^((?:file:|\/|[A-Z]:\\).+):(\d+)\n/.exec(stack) ?? []
  if (file === undefined) return undefined
  return `${file.startsWith('file:') ? fileURLToPath(file) : file}:${line}`
}

/**
 * False for an error that the module's code threw, for example with `JSON.parse`: its stack has the location already.
 */
export function isFromLoader(error: SyntaxError): boolean {
  if (locationInStack(error) !== undefined) return true
  const { stack = '' } = error
  const [, frame = ''] = /\n {4}at ([^\n]*)/.exec(stack) ?? []
  return frame.includes('node:internal/modules')
}

async function askInspector(error: SyntaxError, url: string): Promise<string | undefined> {
  const session = new Session()
  const globals = globalThis as Record<symbol, unknown>
  session.connect()
  try {
    globals[Symbol.for(ERROR_KEY)] = error
    const { result } = await session.post('Runtime.evaluate', { expression: `globalThis[Symbol.for('${ERROR_KEY}')]` })
    const post = session.post.bind(session) as (method: string, params: object) => Promise<unknown>
    const details = await post('Runtime.getExceptionDetails', { errorObjectId: result.objectId })
    const { lineNumber, columnNumber } = (details as ExceptionDetails).exceptionDetails
    const position = `${lineNumber + 1}:${columnNumber + 1}`
    const file = fileURLToPath(url)
    return (await failsToParse(session, url))
      ? `${file}:${position}`
      : `at ${position} of a module that ${file} imports`
  } finally {
    delete globals[Symbol.for(ERROR_KEY)]
    session.disconnect()
  }
}

/**
 * True if this module itself has the error, not one that it imports. Found out by parsing it again, under another URL.
 */
async function failsToParse(session: Session, url: string): Promise<boolean> {
  const again = `${url}?again`
  let failed = false
  session.on('Debugger.scriptFailedToParse', ({ params }) => {
    failed ||= params.url === again
  })
  await session.post('Debugger.enable')
  await import(again).catch(() => {})
  return failed
}
