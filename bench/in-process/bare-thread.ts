/** A thread that imports nothing: what any thread costs at least. */
import { parentPort } from 'node:worker_threads'

parentPort?.postMessage('ready')
parentPort?.on('message', () => {})
