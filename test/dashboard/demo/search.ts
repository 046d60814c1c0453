/** An index that can be searched. Its method `rebuild` loops for ever for one folder. */
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

function readTerms(document: string): number {
  let terms = 0
  for (;;) terms += document.length
}

function rebuildIndex(folder: string): number {
  return folder === '/archive' ? readTerms(folder) : 1_204
}

export default defineService({
  description: 'Full-text search in documents',
  restart: { backoffMs: 200, backoffMaxMs: 1_000, maxRestarts: 5, periodMs: 60_000 },
  methods: {
    find: method({
      input: z.object({ words: z.string(), limit: z.int().max(100).default(10) }),
      handler: ({ words }) => ({ words, hits: [] }),
    }),
    rebuild: method({
      timeoutMs: 600_000,
      input: z.object({ folder: z.string() }),
      handler: ({ folder }) => ({ documents: rebuildIndex(folder) }),
    }),
    crash: method({
      handler: () => {
        setImmediate(() => {
          throw new Error('the index is damaged: block 4,096 has another checksum')
        })
        return new Promise(() => {})
      },
    }),
  },
})
