/** threadplane with its defaults, as a contender. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ContenderOptions } from './contender.ts'

export const WORKERS = fileURLToPath(new URL('../workers/', import.meta.url))

export function threadplane(
  options: Pick<ContenderOptions, 'path'> & Partial<ContenderOptions> & { data: string; workers?: string },
): ContenderOptions {
  const { data, workers = WORKERS, environment, ...rest } = options
  return {
    name: 'threadplane',
    program: '../../src/main.js',
    args: ['serve', workers],
    portVariable: 'THREADPLANE_PORT',
    environment: { THREADPLANE_DATA: data, ...environment },
    ...rest,
  }
}

/** Gives `work` a temporary folder for the files of servers, and removes the folder afterwards. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'threadplane-bench-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
