/** The entry of the server process, which the launcher forks. The server reports to the launcher and ends with it. */
import type { ServerMessage } from '../contract/server-message.ts'

/**
 * Ends the server at once when the launcher has ended: nothing would start a server without a launcher again. The
 * journal is made for a sudden end (P2, P3).
 */
const endNow = () => process.kill(process.pid, 'SIGKILL')
process.once('disconnect', endNow)
if (!process.connected) endNow()

const report = (message: ServerMessage) => new Promise<void>((resolve) => process.send?.(message, () => resolve()))

try {
  const { readConfig } = await import('../config.ts')
  const { serve } = await import('./serve.ts')
  await serve(readConfig(process.env), report)
} catch (error) {
  if ((error as NodeJS.ErrnoException).code === 'EMFILE') {
    console.error('threadplane: too many files are open: raise the limit of open files (ulimit -n) to 1024 or more')
    process.exit(1)
  }
  const { endWithMessage } = await import('../log.ts')
  endWithMessage(error)
}
