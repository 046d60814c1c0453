/**
 * The threads of libuv's pool in the server process, which Node sizes by the environment variable `UV_THREADPOOL_SIZE`.
 * All services in threads of the server share the pool: for `fs.promises`, `dns.lookup`, `zlib`, `crypto.pbkdf2`, and
 * for the import of modules. Node's own four would be taken by four opens of a FIFO. Pure.
 */
export const POOL_SIZE = '64'

/** The environment of a service's process: it has its pool for itself, and Node's own size is enough. */
export function withOwnPool({ UV_THREADPOOL_SIZE: size, ...environment }: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return size === undefined || size === POOL_SIZE ? environment : { ...environment, UV_THREADPOOL_SIZE: size }
}
