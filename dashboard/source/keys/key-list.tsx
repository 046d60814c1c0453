/** `?`: the keys that work where one is. */
import { signal } from '@preact/signals'
import { Dialog } from '../ui/dialog.tsx'
import { bindings } from './keys.ts'

export const keyListIsOpen = signal(false)

const SHOWN: Record<string, string> = { 'mod+k': navigator.userAgent.includes('Mac') ? '⌘K' : 'Ctrl K', Escape: 'Esc' }

/** Once in the app. */
export function KeyList() {
  if (!keyListIsOpen.value) return null
  const byKey = new Map(bindings.value.map(({ key, label }) => [key, label]))
  return (
    <Dialog title="Keys" onClose={() => (keyListIsOpen.value = false)}>
      <dl class="keys">
        {[...byKey].map(([key, label]) => (
          <div key={key}>
            <dt>
              {(SHOWN[key] ?? key).split(' ').map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{label}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}
