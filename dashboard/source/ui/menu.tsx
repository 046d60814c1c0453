/** A button with a list of actions below it. Arrows move, Escape closes, and the focus goes back to the button. */
import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { Scope } from '../../../src/auth/access.ts'
import { whyRefused } from '../state/me.ts'
import { Button, type ButtonProps } from './button.tsx'

export interface MenuItem {
  label: string
  /** What it does, in a few words. */
  note?: string
  run: () => unknown
  danger?: boolean
  checked?: boolean
  scope?: Scope
  service?: string
  /** Why it cannot be chosen now. */
  disabled?: string | false | undefined
}

interface MenuProps extends Pick<ButtonProps, 'icon' | 'kind' | 'label'> {
  children?: ComponentChildren
  items: MenuItem[]
  /** Above the items. */
  header?: ComponentChildren
}

export function Menu({ children, items, header, ...button }: MenuProps) {
  const open = useSignal(false)
  const root = useRef<HTMLDivElement>(null)
  const entries = () => [...(root.current?.querySelectorAll<HTMLElement>('[role^=menuitem]') ?? [])]
  const close = (focus = true) => {
    open.value = false
    if (focus) root.current?.querySelector('button')?.focus()
  }
  useEffect(() => {
    if (!open.value) return
    entries()[0]?.focus()
    const onPointer = (event: PointerEvent) => {
      if (!root.current?.contains(event.target as Node)) close(false)
    }
    document.addEventListener('pointerdown', onPointer)
    return () => document.removeEventListener('pointerdown', onPointer)
  }, [open.value])
  const onKeyDown = (event: KeyboardEvent) => {
    if (!open.value) return
    const all = entries()
    const at = all.indexOf(document.activeElement as HTMLElement)
    const moves: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }
    const to = moves[event.key]
    if (event.key === 'Escape' || event.key === 'Tab') close(event.key === 'Escape')
    else if (to !== undefined) all[(to + all.length) % all.length]?.focus()
    else return
    if (event.key !== 'Tab') event.preventDefault()
  }
  return (
    <div class="menu" ref={root} onKeyDown={onKeyDown}>
      <Button {...button} expanded={open.value} onClick={() => (open.value ? close() : (open.value = true))}>
        {children}
      </Button>
      {open.value && (
        <div class="menu-list">
          {header}
          <div role="menu">
            {items.map((item) => (
              <Entry key={item.label} item={item} onDone={close} />
            ))}
          </div>
        </div>
      )}
    </div>
  )
}

function Entry({ item, onDone }: { item: MenuItem; onDone: () => void }) {
  const { label, note, run, danger, checked, scope, service, disabled } = item
  const why = (scope && whyRefused(scope, service)) ?? (disabled || undefined)
  return (
    <button
      type="button"
      role={checked === undefined ? 'menuitem' : 'menuitemradio'}
      aria-checked={checked}
      class={danger ? 'danger' : ''}
      tabIndex={-1}
      aria-disabled={why !== undefined}
      onClick={() => {
        if (why !== undefined) return
        onDone()
        run()
      }}
    >
      <span>{label}</span>
      {(why ?? note) && <small>{why ?? note}</small>}
    </button>
  )
}
