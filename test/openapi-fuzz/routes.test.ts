/** The routes; the operations of each method have a file of their own, and so another process beside this one. */
import t from 'tap'
import { fuzz } from './fuzz.ts'

await fuzz(t, (path) => !/^\/v1\/services\/[^{]/.test(path))
