/**
 * Runs a test file in a process without tap's loader. tap's processes load this module before all others (`test-env` in
 * .taprc), so they do not even load the loader. It records the modules of every thread for coverage, which is off here, and
 * doubles the start time of a thread.
 */
import { type ChildProcess, spawn } from 'node:child_process'

/** tap kills a file half a second after SIGALRM: kill the test before, or it would live on as an orphan. */
const END_WITHIN_MS = 250

const [node, ...args] = process.argv
const { NODE_OPTIONS: _options, ...env } = process.env
const test = spawn(node as string, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env })

for (const signal of ['SIGALRM', 'SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    test.kill(signal)
    setTimeout(() => test.kill('SIGKILL'), END_WITHIN_MS).unref()
  })
}
// tap and the file send each other messages about timeouts.
test.on('message', (message) => process.send?.(message))
process.on('message', (message: object) => test.send(message))

// Never goes on to load the file here.
process.exit(await exitCode(test))

async function exitCode(child: ChildProcess): Promise<number> {
  const { code, signal } = await new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  if (signal !== null) console.error(`${args[0]} was ended by ${signal}`)
  return code ?? 1
}
