/** How long the event loop of a server did not turn: `loop-delay.ts`, preloaded into the server, measures it. */
import { readFile, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Plane } from '../plane.ts'

const PRELOADED = fileURLToPath(new URL('../loop-delay.js', import.meta.url))

/** The environment of a server that is measured. @param file where it writes */
export function watchesLoop(file: string): Record<string, string> {
  return { NODE_OPTIONS: `--import=${PRELOADED}`, BENCH_LOOP_DELAY: file }
}

/** Since the last time, in milliseconds. */
export async function longestDelay(plane: Plane, file: string): Promise<number> {
  await rm(file, { force: true })
  process.kill(plane.pid, 'SIGWINCH')
  for (;;) {
    const text = await readFile(file, 'utf8').catch(() => '')
    if (text !== '') return Number(text)
    await sleep(2)
  }
}
