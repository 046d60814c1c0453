/** The same route in front of Piscina, with its default options. */
import { requirePeer } from '../peers.ts'
import { serveSum } from './sum-route.ts'

interface Pool {
  run: (task: unknown) => Promise<{ sum: number }>
}

const { Piscina } = requirePeer('piscina') as { Piscina: new (options: { filename: string }) => Pool }
const pool = new Piscina({ filename: new URL('./piscina-task.js', import.meta.url).href })
await serveSum((numbers) => pool.run(numbers))
