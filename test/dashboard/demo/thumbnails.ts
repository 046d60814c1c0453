/** Shrinks images; the processor is busy for some milliseconds each time. */
import { bytes, defineService, method } from 'threadplane/service'
import { z } from 'zod'

function work(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end) Math.sqrt(end)
}

export default defineService({
  description: 'Small images for lists and previews',
  numWorkers: 2,
  methods: {
    shrink: method({
      description: 'A stored image, in another size',
      input: z.object({ image: z.string(), width: z.int().min(16).max(2_000) }),
      handler: ({ image, width }) => {
        work(4 + Math.random() * 10)
        return { image, width, height: Math.round(width * 0.62) }
      },
    }),
    convert: method({
      input: bytes({ types: ['image/*'], maxBytes: 5_000_000 }),
      output: bytes({ types: ['image/webp'] }),
      handler: (image) => image,
    }),
  },
})
