/** A thread that imports the module whose URL it is given, and says when it is ready. */
import { parentPort, workerData } from 'node:worker_threads'

await import(workerData as string)
parentPort?.on('message', () => {})
parentPort?.postMessage('ready')
