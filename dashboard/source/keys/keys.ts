/**
 * Keys of the page. A part of the page binds its keys while it is shown; of two that bind the same key, the later one
 * gets it. `?` lists what is bound. Nothing is caught while somebody types in a field, but `mod+…` and Escape.
 */
import { signal } from '@preact/signals'
import { useLayoutEffect, useRef } from 'preact/hooks'

/** `mod` is ⌘ or Ctrl. Two keys after each other: `g s`. */
export interface KeyBinding {
  key: string
  /** What it does, for the list of keys. */
  label: string
  run: () => unknown
}

/** The second key of a pair must come within this time. */
const PAIR_MS = 1_500

/** All bindings, the latest last. */
export const bindings = signal<readonly KeyBinding[]>([])

/** Binds keys while the component is shown: from when it is drawn, so that no key is lost which somebody then presses. */
export function useKeys(keys: KeyBinding[]): void {
  const latest = useRef(keys)
  latest.current = keys
  const shown = keys.map(({ key }) => key).join()
  useLayoutEffect(() => {
    const bound = latest.current.map(({ key, label }) => ({
      key,
      label,
      run: () => latest.current.find((binding) => binding.key === key)?.run(),
    }))
    bindings.value = [...bindings.peek(), ...bound]
    return () => {
      bindings.value = bindings.peek().filter((binding) => !bound.includes(binding))
    }
  }, [shown])
}

let first: { key: string; at: number } | undefined

/** Once, at the start of the page. */
export function startKeys(): void {
  addEventListener('keydown', (event) => {
    const key = nameOf(event)
    if (event.defaultPrevented || event.isComposing || key === undefined) return
    if (isTyping(event.target) && !key.startsWith('mod+')) return
    // A dialog has its own keys, those of the browser.
    if (document.querySelector('dialog[open]') !== null) return
    const pair = first !== undefined && event.timeStamp - first.at < PAIR_MS ? `${first.key} ${key}` : undefined
    first = undefined
    const binding = (pair === undefined ? undefined : find(pair)) ?? find(key)
    if (binding !== undefined) {
      event.preventDefault()
      binding.run()
    } else if (bindings.value.some((one) => one.key.startsWith(`${key} `))) {
      first = { key, at: event.timeStamp }
    }
  })
}

function find(key: string): KeyBinding | undefined {
  return bindings.value.findLast((binding) => binding.key === key)
}

function nameOf({ key, metaKey, ctrlKey, altKey }: KeyboardEvent): string | undefined {
  if (altKey) return undefined
  if (metaKey || ctrlKey) return `mod+${key.toLowerCase()}`
  return key
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.matches('input:not([type=checkbox]), textarea, select, [contenteditable]')
  )
}
