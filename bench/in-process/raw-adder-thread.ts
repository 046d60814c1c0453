/** A thread that imports the same module and zod as a service's thread, and says when it is ready. */
import { parentPort } from 'node:worker_threads'
import '../workers/adder.ts'

parentPort?.postMessage('ready')
parentPort?.on('message', () => {})
