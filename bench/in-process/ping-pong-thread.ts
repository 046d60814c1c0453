import { parentPort } from 'node:worker_threads'

parentPort?.on('message', ({ id, a, b }: { id: number; a: number; b: number }) => {
  parentPort?.postMessage({ id, sum: a + b })
})
