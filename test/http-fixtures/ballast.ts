/** Keeps a hundred MiB on its heap once it is told to. Its process may use 320 MiB. */
import { defineService, method } from 'threadplane/service'

let kept: number[][] = []

export default defineService({
  isolation: 'process',
  limits: { maxRssMb: 320 },
  methods: {
    keep: method({
      handler: () => {
        // Each part is copied once while it is filled, and as one part they would take twice their size for a while.
        kept = Array.from({ length: 100 }, () => new Array<number>((1024 * 1024) / 8).fill(0.5))
        return kept.length
      },
    }),
  },
})
