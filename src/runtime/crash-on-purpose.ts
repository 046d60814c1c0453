/** Crashes the service's thread in one of four ways, so that a user can see what the supervisor does. */
import type { CrashMessage } from '../protocol/messages.ts'

export function crashOnPurpose({ kind, reason }: CrashMessage): void {
  switch (kind) {
    case 'exception':
      setImmediate(() => {
        throw new Error(reason)
      })
      break
    case 'exit':
      process.exit(1)
      break
    case 'hang':
      for (;;);
    case 'oom': {
      const hoard: unknown[] = []
      for (;;) hoard.push(new Array(1_000_000).fill(reason))
    }
  }
}
