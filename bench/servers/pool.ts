/** The same route in front of a pool of threads, by its name. */
import { POOLS } from '../pools/pools.ts'
import { serveSum } from './sum-route.ts'

const [name = ''] = process.argv.slice(2)
const pool = POOLS[name]
if (pool === undefined) throw new Error(`there is no pool ${name}; there are: ${Object.keys(POOLS).join(', ')}`)
await serveSum(await pool.open())
