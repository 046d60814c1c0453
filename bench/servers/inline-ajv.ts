/** The function inline, in the route itself: what a call costs without a thread. */
import { serveSum } from './sum-route.ts'

await serveSum(({ a, b }) => ({ sum: a + b }))
