/**
 * Runs a test file in a process without tap's loader. tap starts this program instead of the file (`node-arg` in .taprc).
 * The loader records the modules of every thread for coverage, which is off here, and doubles the start time of a thread.
 */
import { spawn } from 'node:child_process'

/** tap kills a file half a second after SIGALRM: kill the test before, or it would live on as an orphan. */
const END_WITHIN_MS = 250

const [file = '', ...args] = process.argv.slice(2)
// The loader adds itself to the environment of every child process, so `env` has to remove it again.
const command = ['-u', 'NODE_OPTIONS', process.execPath, file, ...args]
const test = spawn('env', command, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })

// tap and the file send each other messages about timeouts.
test.on('message', (message) => process.send?.(message))
process.on('message', (message: object) => test.send(message))
process.channel?.unref()

test.on('exit', (code, signal) => {
  process.exitCode = code ?? 1
  if (signal !== null) console.error(`${file} was ended by ${signal}`)
})
for (const signal of ['SIGALRM', 'SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    test.kill(signal)
    setTimeout(() => test.kill('SIGKILL'), END_WITHIN_MS).unref()
  })
}
