/** `mod+k`: find a page, a service, an action on a service, or a job by its id. All words must match. */
import { signal, useComputed, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { navigate } from '../router/router.ts'
import { may } from '../state/me.ts'
import { act, ACTIONS, type ActionName, whyNot } from '../state/service-actions.tsx'
import { services } from '../state/services.ts'
import { toggleTheme } from '../state/theme.ts'

export const paletteIsOpen = signal(false)

interface Command {
  title: string
  group: string
  run: () => unknown
}

const SHOWN = 12
const JOB_ID = /^[0-9a-f]{8}-?[0-9a-f-]{4,}$/i

const PAGES: Command[] = ['Services', 'Jobs', 'Failures', 'Schedules', 'Activity', 'System'].map((title) => ({
  title,
  group: 'Page',
  run: () => navigate(title === 'Services' ? '/' : `/${title.toLowerCase()}`),
}))
const OTHERS: Command[] = [{ title: 'Change between light and dark', group: 'Page', run: toggleTheme }]

function* commands(text: string): Generator<Command> {
  if (JOB_ID.test(text)) yield { title: text, group: 'Job', run: () => navigate(`/jobs/${text}`) }
  yield* PAGES
  const all = services.value ?? []
  for (const { name } of all) {
    yield { title: name, group: 'Service', run: () => navigate(`/services/${encodeURIComponent(name)}`) }
  }
  yield* OTHERS
  if (text === '') return
  for (const service of all) {
    for (const [name, { label }] of Object.entries(ACTIONS) as [ActionName, (typeof ACTIONS)[ActionName]][]) {
      if (whyNot(name, service) || !may('operate', service.name)) continue
      yield { title: `${service.name}: ${label.replace('…', '')}`, group: 'Action', run: () => act(name, service) }
    }
    for (const tab of ['Methods', 'Logs', 'Threads', 'Options']) {
      const run = () => navigate(`/services/${encodeURIComponent(service.name)}?tab=${tab.toLowerCase()}`)
      yield { title: `${service.name}: ${tab}`, group: 'Service', run }
    }
  }
}

function search(text: string): Command[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const found: Command[] = []
  for (const command of commands(text.trim())) {
    const title = command.title.toLowerCase()
    if (!words.every((word) => title.includes(word))) continue
    found.push(command)
    if (found.length === 200) break
  }
  const rank = ({ title }: Command) => (title.toLowerCase().startsWith(words[0] ?? '') ? 0 : 1)
  return found.sort((a, b) => rank(a) - rank(b)).slice(0, SHOWN)
}

/** Once in the app. */
export function Palette() {
  return paletteIsOpen.value ? <OpenPalette /> : null
}

function OpenPalette() {
  const element = useRef<HTMLDialogElement>(null)
  const text = useSignal('')
  const at = useSignal(0)
  const found = useComputed(() => search(text.value))
  useEffect(() => {
    element.current?.showModal()
    return () => element.current?.close()
  }, [])
  const close = () => {
    paletteIsOpen.value = false
  }
  const choose = (command: Command | undefined) => {
    if (command === undefined) return
    close()
    command.run()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const last = found.value.length - 1
    if (event.key === 'ArrowDown') at.value = at.value >= last ? 0 : at.value + 1
    else if (event.key === 'ArrowUp') at.value = at.value <= 0 ? Math.max(0, last) : at.value - 1
    else if (event.key === 'Enter' && !event.isComposing) choose(found.value[at.value])
    else return
    event.preventDefault()
  }
  return (
    <dialog
      ref={element}
      class="dialog palette"
      aria-label="Find a page, service, action or job"
      onCancel={close}
      onMouseDown={(event) => event.target === element.current && close()}
    >
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found.value.length > 0 ? `palette-${at.value}` : undefined}
        aria-label="Search"
        placeholder="Find a page, service, action or job id"
        autocomplete="off"
        spellcheck={false}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value
          at.value = 0
        }}
        onKeyDown={onKeyDown}
      />
      <ul id="palette-list" role="listbox" aria-label="Results">
        {found.value.map((command, index) => (
          <li
            key={command.group + command.title}
            id={`palette-${index}`}
            role="option"
            aria-selected={index === at.value}
            onMouseMove={() => {
              at.value = index
            }}
            onClick={() => choose(command)}
          >
            <span>{command.title}</span>
            <small>{command.group}</small>
          </li>
        ))}
      </ul>
      {found.value.length === 0 && <p class="none">Nothing matches</p>}
    </dialog>
  )
}
