/** The fuzz of the operations of each method of each service. */
import t from 'tap'
import { fuzz } from './fuzz.ts'

await fuzz(t, (path) => /^\/v1\/services\/[^{]/.test(path))
