import { importPeer } from '../harness/peers.ts'
import type { Numbers, Sum } from './pools.ts'

interface Poolifier {
  ThreadWorker: new (task: (numbers: Numbers) => Sum) => object
}

const { ThreadWorker } = (await importPeer('poolifier')) as Poolifier
export default new ThreadWorker(({ a, b }) => ({ sum: a + b }))
