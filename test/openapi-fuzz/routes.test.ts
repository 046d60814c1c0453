/** The fuzz of all routes that are the same for every service. */
import t from 'tap'
import { fuzz } from './fuzz.ts'

await fuzz(t, (path) => !/^\/v1\/services\/[^{]/.test(path))
