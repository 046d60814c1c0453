/** What `threadplane dev` prints: one line for each change, and one frame for each error. */
import { relative } from 'node:path'
import { styleText } from 'node:util'
import type { ServiceState } from '../contract/states.ts'
import { codeFrame } from './code-frame.ts'
import type { ContractChange } from './contract-diff.ts'

export interface Reload {
  service: string
  /** Paths of the files that have changed; none: somebody asked for it. */
  files: string[]
  state: ServiceState
  tookMs: number
  /** Calls that the old code had begun when the new took over. */
  oldCalls: number
  haveFinished: boolean
  changes: ContractChange[]
}

type Colour = Parameters<typeof styleText>[0]

const INDENT = ' '.repeat(11)
const WIDTH = 110

export class Output {
  readonly #colours: boolean
  readonly #write: (text: string) => void

  constructor(colours: boolean, write: (text: string) => void) {
    this.#colours = colours
    this.#write = write
  }

  /** A line of its own, beside those about changes. */
  say(text: string): void {
    this.#write(`${text}\n`)
  }

  reloaded({ service, files, state, tookMs, oldCalls, haveFinished, changes }: Reload): void {
    const of = files.length === 0 ? '' : ` (${files.map(shown).join(', ')})`
    const calls = `${oldCalls} ${oldCalls === 1 ? 'call' : 'calls'}`
    const old = haveFinished ? `${calls} finished on the old code` : `${calls} still running on the old code`
    const isStopped = state === 'stopped' ? ` · it is stopped: the new code runs when it starts` : ''
    this.#line('↻', 'green', `${service}${of} reloaded in ${tookMs} ms${oldCalls === 0 ? '' : ` · ${old}`}${isStopped}`)
    for (const line of contractLines(changes)) this.#write(`${INDENT}${line}\n`)
  }

  registered(service: string, file: string, state: ServiceState, tookMs: number): void {
    this.#line('+', 'green', `${service} (${shown(file)}) is new and ${state}, after ${tookMs} ms`)
  }

  removed(service: string, file: string): void {
    this.#line('−', 'yellow', `${service} removed: ${shown(file)} is gone`)
  }

  failed(what: string, why: string): void {
    this.#line('✗', 'red', `${what}: ${why}`)
  }

  /**
   * @param module the file of the service
   * @param files all its files, those that have changed first
   */
  async frame(what: string, error: Error, module: string, files: string[]): Promise<void> {
    const frame = await codeFrame(error, module, files, this.#colours)
    this.#line('✗', 'red', `${what}\n${frame.replaceAll(/^/gm, INDENT)}`)
  }

  #line(sign: string, colour: Colour, text: string): void {
    const time = new Date().toTimeString().slice(0, 8)
    this.#write(`${time} ${this.#colours ? styleText(colour, sign) : sign} ${text}\n`)
  }
}

function shown(path: string): string {
  return relative(process.cwd(), path) || path
}

/** The changes, as many in a line as there is room for. Those that may break clients have a `!`. */
export function contractLines(changes: ContractChange[]): string[] {
  const texts = changes.map(({ method, text, breaking }) => {
    // A method itself is new or gone.
    const what = text === '+' || text === '−' ? `${text} ${method}` : `${method}: ${text}`
    return breaking ? `! ${what} (clients may break)` : what
  })
  const lines: string[] = []
  for (const text of texts) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + text.length + 3 <= WIDTH) lines[lines.length - 1] = `${last}   ${text}`
    else lines.push(text)
  }
  return lines
}
