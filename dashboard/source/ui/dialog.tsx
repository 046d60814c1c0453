/**
 * Modal dialogs on `<dialog>`: the browser keeps the focus inside and gives it back. `confirm` asks before what destroys:
 * the question names the thing, the number, and what happens to what runs.
 */
import { signal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import { Button } from './button.tsx'

interface DialogProps {
  title: ComponentChildren
  onClose: () => void
  children: ComponentChildren
  /** Buttons, the one to press most often last. */
  footer?: ComponentChildren
  size?: 'small' | 'large'
}

export function Dialog({ title, onClose, children, footer, size = 'small' }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    element.current?.showModal()
    // The first button of the footer does no harm; else the browser has chosen.
    element.current?.querySelector<HTMLElement>('footer button')?.focus()
    return () => element.current?.close()
  }, [])
  return (
    <dialog
      ref={element}
      class={`dialog ${size}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onMouseDown={(event) => event.target === element.current && onClose()}
    >
      <header>
        <h2 id={id}>{title}</h2>
        <Button kind="quiet" icon="close" label="Close" onClick={onClose} />
      </header>
      <div class="dialog-body">{children}</div>
      {footer && <footer>{footer}</footer>}
    </dialog>
  )
}

export interface Question {
  /** `Stop primes?` */
  title: string
  /** What happens to what runs, in a sentence or two. */
  text: ComponentChildren
  /** The verb: `Stop`, `Delete 344 jobs`. */
  action: string
  danger?: boolean
}

const asked = signal<(Question & { answer: (yes: boolean) => void }) | undefined>(undefined)

export function confirm(question: Question): Promise<boolean> {
  asked.value?.answer(false)
  return new Promise((resolve) => {
    asked.value = {
      ...question,
      answer: (yes) => {
        asked.value = undefined
        resolve(yes)
      },
    }
  })
}

/** Once in the app. */
export function Confirm() {
  const question = asked.value
  if (question === undefined) return null
  const { title, text, action, danger = true, answer } = question
  return (
    <Dialog
      title={title}
      onClose={() => answer(false)}
      footer={
        <>
          <Button onClick={() => answer(false)}>Cancel</Button>
          <Button kind={danger ? 'danger' : 'primary'} onClick={() => answer(true)}>
            {action}
          </Button>
        </>
      }
    >
      {text}
    </Dialog>
  )
}
