/**
 * A button that knows which scope its action needs: without the scope it is disabled and says so. While its action runs
 * it is busy and cannot be pressed again.
 */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import type { Scope } from '../../../src/auth/access.ts'
import { whyRefused } from '../state/me.ts'
import { Icon, type IconName } from './icon.tsx'

export interface ButtonProps {
  children?: ComponentChildren
  /** A promise keeps the button busy until it settles. Show errors yourself. */
  onClick?: (event: MouseEvent) => unknown
  kind?: 'plain' | 'primary' | 'danger' | 'quiet'
  icon?: IconName
  /** Needed if there is no text. */
  label?: string
  /** The scope that the action needs. */
  scope?: Scope
  /** Of that service; absent: of all. */
  service?: string
  /** Why it cannot be pressed now; absent: it can. */
  disabled?: string | false | undefined
  /** A key that does the same, as text. */
  hint?: string
  type?: 'button' | 'submit'
  expanded?: boolean
  pressed?: boolean
}

export function Button(props: ButtonProps) {
  const { children, onClick, kind = 'plain', icon, label, scope, service, disabled, hint, type = 'button' } = props
  const [busy, setBusy] = useState(false)
  const why = (scope && whyRefused(scope, service)) ?? (disabled || undefined)
  const press = (event: MouseEvent) => {
    if (why !== undefined || busy) return event.preventDefault()
    const doing = onClick?.(event)
    if (!(doing instanceof Promise)) return
    setBusy(true)
    void doing.catch(() => {}).then(() => setBusy(false))
  }
  return (
    <button
      type={type}
      class={`button ${kind}${children === undefined ? ' square' : ''}`}
      aria-label={label}
      title={why ?? label}
      // Not `disabled`: a disabled button has no focus, and nobody could read why.
      aria-disabled={why !== undefined || busy}
      aria-busy={busy}
      aria-expanded={props.expanded}
      aria-pressed={props.pressed}
      onClick={press}
    >
      {icon && <Icon name={icon} />}
      {children}
      {hint && <kbd>{hint}</kbd>}
    </button>
  )
}
