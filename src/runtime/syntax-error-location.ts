/**
 * Where a syntax error is. V8 knows, and Node shows it where an error ends a process; but on the error itself it is
 * not written, and whoever wrote the module looks for a file and a line. The inspector can be asked.
 */
import { Session } from 'node:inspector/promises'
import { fileURLToPath } from 'node:url'

/** Node's types do not know of it yet. */
interface ExceptionDetails {
  exceptionDetails: { lineNumber: number; columnNumber: number }
}

const STASH = 'threadplane.syntaxError'

/** The error, with the place in its message where that can be found out. */
export async function withPlace(error: SyntaxError, url: string): Promise<SyntaxError> {
  const place = placeInStack(error) ?? (isOfLoader(error) ? await askInspector(error, url).catch(() => {}) : undefined)
  return place === undefined ? error : new SyntaxError(`${error.message} (${place})`, { cause: error })
}

/** Errors between modules, such as an export that is missing, begin their stack with it. */
function placeInStack({ stack = '' }: SyntaxError): string | undefined {
  const [, file, line] = /^(file:.+):(\d+)\n/.exec(stack) ?? []
  return file === undefined ? undefined : `${fileURLToPath(file)}:${line}`
}

/** One that the module's own code threw, with `JSON.parse` perhaps, has its place in the stack. */
function isOfLoader({ stack = '' }: SyntaxError): boolean {
  const [, frame = ''] = /\n {4}at ([^\n]*)/.exec(stack) ?? []
  return frame.includes('node:internal/modules')
}

async function askInspector(error: SyntaxError, url: string): Promise<string | undefined> {
  const session = new Session()
  const stash = globalThis as Record<symbol, unknown>
  session.connect()
  try {
    stash[Symbol.for(STASH)] = error
    const { result } = await session.post('Runtime.evaluate', { expression: `globalThis[Symbol.for('${STASH}')]` })
    const post = session.post.bind(session) as (method: string, params: object) => Promise<unknown>
    const details = await post('Runtime.getExceptionDetails', { errorObjectId: result.objectId })
    const { lineNumber, columnNumber } = (details as ExceptionDetails).exceptionDetails
    const place = `${lineNumber + 1}:${columnNumber + 1}`
    const file = fileURLToPath(url)
    return (await failsToParse(session, url)) ? `${file}:${place}` : `at ${place} of a module that ${file} imports`
  } finally {
    delete stash[Symbol.for(STASH)]
    session.disconnect()
  }
}

/** Is it this module itself? Under another URL it is parsed once more. */
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
