/**
 * What tap starts instead of a test file (`node-arg` in .taprc): it runs the file in a process without tap's loader.
 * That notes the modules of every thread, for coverage that is not asked for, and doubles the time a thread takes to start.
 */
import { spawn } from 'node:child_process'

/** tap gives a file that it ends half a second after SIGALRM. */
const END_WITHIN_MS = 250

const [file = '', ...args] = process.argv.slice(2)
// The loader gives itself to every child, by its environment: only another program can take it away again.
const command = ['-u', 'NODE_OPTIONS', process.execPath, file, ...args]
const test = spawn('env', command, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })

// How tap and the file tell each other of timeouts.
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
