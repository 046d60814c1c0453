/** The time, a signal that changes each second while the tab is in sight. */
import { signal } from '@preact/signals'

export const now = signal(Date.now())

setInterval(() => {
  if (!document.hidden) now.value = Date.now()
}, 1_000)
document.addEventListener('visibilitychange', () => {
  now.value = Date.now()
})
