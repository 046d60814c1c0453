/** Single keys on the terminal: `r`, `o`, `q`. The terminal is given back before the process ends. */
import type { ReadStream } from 'node:tty'

export interface Keys {
  /** `r` */
  reload: () => void
  /** `o` */
  open: () => void
}

/** Of Ctrl-C: in raw mode the terminal sends no signal for it. */
const INTERRUPT = '\u0003'
const END = '\u0004'

/** Does nothing where standard input is no terminal. `q` and Ctrl-C end the process by SIGINT. */
export function followKeys(input: ReadStream, keys: Keys): void {
  if (!input.isTTY) return
  const end = () => {
    input.off('data', press)
    // A second Ctrl-C comes as a signal, which ends the process at once.
    input.setRawMode(false)
    input.unref()
    process.kill(process.pid, 'SIGINT')
  }
  const press = (text: string) => {
    if (text === 'r') keys.reload()
    else if (text === 'o') keys.open()
    else if (text === 'q' || text === INTERRUPT || text === END) end()
  }
  input.setRawMode(true)
  input.setEncoding('utf8').on('data', press)
}
