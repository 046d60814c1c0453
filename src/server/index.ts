/** The public exports of `threadplane/server`: a server as `threadplane serve` runs it, for a process of your own. */
export { Tokens, type TokensOptions } from '../auth/tokens.ts'
export { buildServer } from './build-server.ts'
export type { DatabaseOptions, Server, ServerOptions, TlsFiles } from './options.ts'
