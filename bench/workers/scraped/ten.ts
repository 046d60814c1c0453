/** A service with ten methods: `npm run bench -- scrape` registers it under many names. */
import { defineService, method } from 'threadplane'
import { z } from 'zod'

const echo = method({ input: z.number(), handler: (value) => value })
const names = Array.from({ length: 10 }, (_, at) => `method${at}`)

export default defineService({ methods: Object.fromEntries(names.map((name) => [name, echo])) })
