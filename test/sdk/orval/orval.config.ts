import { defineConfig } from 'orval'

export default defineConfig({
  threadplane: {
    input: './generated/openapi.json',
    output: {
      target: './generated/client.ts',
      client: 'fetch',
      // It becomes a part of a template literal.
      baseUrl: '${process.env.THREADPLANE_URL}',
    },
  },
})
