/** Colours of states, and text that cannot harm a terminal. */
import { styleText } from 'node:util'

export type Style = Parameters<typeof styleText>[0]

/** Writes text in a style; without colours, as it is. */
export type Paint = (style: Style | undefined, text: string) => string

export function painter(hasColour: boolean): Paint {
  return (style, text) =>
    hasColour && style !== undefined && text !== '' ? styleText(style, text, { validateStream: false }) : text
}

const STATE_STYLES: Record<string, Style> = {
  running: 'green',
  succeeded: 'green',
  starting: 'cyan',
  stopping: 'cyan',
  queued: 'cyan',
  paused: 'yellow',
  backoff: 'yellow',
  cancelled: 'yellow',
  expired: 'yellow',
  crashed: 'red',
  failed: 'red',
  stopped: 'dim',
  scheduled: 'dim',
}

/** How the state of a service or a job is shown. */
export function styleOfState(state: string): Style | undefined {
  return STATE_STYLES[state]
}

/** Line breaks, and the characters that begin an escape sequence: a service chooses its texts. */
const CONTROLS = /\p{Cc}+/gu

/** Text on one line. */
export function oneLine(text: string): string {
  return text.replaceAll(CONTROLS, ' ').trim()
}

/** All of them but line breaks and tabs. */
const UNSAFE = /[^\P{Cc}\n\t]/gu

/** Text of several lines, without escape sequences. */
export function manyLines(text: string): string {
  return text.replaceAll(UNSAFE, ' ')
}
