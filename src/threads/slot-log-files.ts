/** The two files of a `SlotLog`, which the control thread creates. The thread of a service does not load this. */
import { randomUUID } from 'node:crypto'
import { openSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LogPair } from '../protocol/slots.ts'

/** Creates the two files, and unlinks them. */
export function openLogFiles(): LogPair<number> {
  const open = () => {
    const path = join(tmpdir(), `threadplane-${randomUUID()}`)
    const fd = openSync(path, 'ax+', 0o600)
    unlinkSync(path)
    return fd
  }
  return [open(), open()]
}
