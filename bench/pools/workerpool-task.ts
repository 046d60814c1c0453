import { importPeer } from '../harness/peers.ts'
import type { Numbers } from './pools.ts'

const { default: workerpool } = (await importPeer('workerpool')) as { default: { worker: (methods: object) => void } }
workerpool.worker({ add: ({ a, b }: Numbers) => ({ sum: a + b }) })
