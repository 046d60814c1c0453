/** Keeps a hundred MiB on its heap once it is told to. Its process may use 320 MiB. */
import { defineService, method } from 'threadplane/service'

let kept: number[] = []

export default defineService({
  isolation: 'process',
  limits: { maxRssMb: 320 },
  methods: {
    keep: method({
      handler: () => {
        kept = new Array<number>((100 * 1024 * 1024) / 8).fill(0.5)
        return kept.length
      },
    }),
  },
})
