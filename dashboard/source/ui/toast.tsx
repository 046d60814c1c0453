/** Short notices at the edge: what has been done, or why it was refused. A screen reader speaks them. */
import { signal } from '@preact/signals'
import { isAbort, toProblem } from '../api/request.ts'
import { Button } from './button.tsx'

interface Notice {
  id: number
  text: string
  detail?: string
  tone: 'good' | 'bad'
}

const SHOWN_MS = 6_000
const MAX_NOTICES = 4
const notices = signal<Notice[]>([])
let lastId = 0

export function notify(text: string, detail?: string, tone: Notice['tone'] = 'good'): void {
  const id = ++lastId
  notices.value = [...notices.value, { id, text, tone, ...(detail !== undefined && { detail }) }].slice(-MAX_NOTICES)
  if (tone === 'good') setTimeout(() => dismiss(id), SHOWN_MS)
}

/** An error of an action: it stays until somebody closes it. */
export function notifyError(what: string, error: unknown): void {
  if (isAbort(error)) return
  const { title, detail, code } = toProblem(error)
  notify(what, `${detail ?? title} (${code})`, 'bad')
}

function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id)
}

/** Once in the app. */
export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {notices.value.map(({ id, text, detail, tone }) => (
        <div key={id} class={`toast ${tone}`}>
          <div>
            <strong>{text}</strong>
            {detail && <p>{detail}</p>}
          </div>
          <Button kind="quiet" icon="close" label="Dismiss" onClick={() => dismiss(id)} />
        </div>
      ))}
    </div>
  )
}
