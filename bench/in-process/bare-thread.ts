/** What a thread costs that imports nothing. */
import { parentPort } from 'node:worker_threads'

parentPort?.postMessage('ready')
parentPort?.on('message', () => {})
