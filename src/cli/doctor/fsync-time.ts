/** How long a disk takes to make a small write durable: what each accepted job waits for. */
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'

const TIMES = 5
const BYTES = 4_096

/** The median, in milliseconds; `undefined` if the folder does not exist. @throws what the disk says */
export async function fsyncTimeMs(folder: string): Promise<number | undefined> {
  const file = join(folder, `.doctor-${process.pid}`)
  try {
    const handle = await open(file, 'wx', 0o600)
    try {
      const times: number[] = []
      for (let at = 0; at < TIMES; at += 1) {
        await handle.write(Buffer.alloc(BYTES), 0, BYTES, at * BYTES)
        const since = performance.now()
        await handle.datasync()
        times.push(performance.now() - since)
      }
      return times.sort((a, b) => a - b)[Math.floor(TIMES / 2)]
    } finally {
      await handle.close()
      await rm(file, { force: true })
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
