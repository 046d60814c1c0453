import { defineConfig } from '@kubb/core'
import { pluginClient } from '@kubb/plugin-client'
import { pluginOas } from '@kubb/plugin-oas'
import { pluginTs } from '@kubb/plugin-ts'

export default defineConfig({
  input: { path: './generated/openapi.json' },
  output: { path: './generated/client', clean: true },
  plugins: [
    pluginOas({ generators: [] }),
    pluginTs(),
    // The answer with its status, not its data alone.
    pluginClient({ client: 'fetch', dataReturnType: 'full' }),
  ],
})
