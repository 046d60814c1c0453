/** Returns a tenth of its input, so that the transport of payloads is measured. */
import { bytes, defineService, method } from 'threadplane/service'
import { z } from 'zod'

export default defineService({
  methods: {
    tenth: method({
      input: z.object({ text: z.string() }),
      output: z.object({ text: z.string() }),
      handler: ({ text }) => ({ text: text.slice(0, text.length / 10) }),
    }),
    tenthOfBytes: method({
      input: bytes(),
      output: bytes(),
      handler: (input) => input.subarray(0, input.byteLength / 10),
    }),
  },
})
