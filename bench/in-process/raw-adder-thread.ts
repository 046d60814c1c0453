/** What a thread costs that imports the same module and zod, and says that it has. */
import { parentPort } from 'node:worker_threads'
import '../workers/adder.ts'

parentPort?.postMessage('ready')
parentPort?.on('message', () => {})
