/** Takes payloads of which many fit into a large body. */
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

const branch = (tag: number) => z.object({ tag: z.literal(`branch ${tag}`), value: z.int() })
const [first, ...others] = Array.from({ length: 20 }, (_, at) => branch(at)) as [
  ReturnType<typeof branch>,
  ...ReturnType<typeof branch>[],
]

export default defineService({
  methods: {
    objects: method({ input: z.array(z.object({ a: z.int() })), handler: () => null }),
    union: method({ input: z.array(z.discriminatedUnion('tag', [first, ...others])), handler: () => null }),
    members: method({ input: z.record(z.string(), z.int()), handler: () => null }),
    any: method({ handler: () => null }),
    number: method({ input: z.int(), handler: () => null }),
  },
})
