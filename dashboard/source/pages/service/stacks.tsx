/** The stacks of all threads of a service, on demand or every two seconds, with the differences to the last look. */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { StackList } from '../../../../routes/schemas/stack.ts'
import { get } from '../../api/request.ts'
import { StackView } from '../../stack/stack-view.tsx'
import { Button } from '../../ui/button.tsx'
import { ProblemBox } from '../../ui/problem-box.tsx'

const STACK_EVERY_MS = 2_000

export function Stacks({ name }: { name: string }) {
  const follows = useSignal(false)
  const shown = useSignal<StackList['items']>([])
  const before = useSignal<StackList['items']>([])
  const error = useSignal<unknown>(undefined)
  const read = async () => {
    try {
      const { items } = await get<StackList>(`/v1/services/${encodeURIComponent(name)}/stack`)
      before.value = shown.value
      shown.value = items
      error.value = undefined
    } catch (reason) {
      error.value = reason
      follows.value = false
    }
  }
  useEffect(() => {
    if (!follows.value) return
    let stopped = false
    let timer: ReturnType<typeof setTimeout>
    // The next look begins after the last one has been answered: looks do not pile up.
    const look = async () => {
      if (!document.hidden) await read()
      if (!stopped) timer = setTimeout(() => void look(), STACK_EVERY_MS)
    }
    void look()
    return () => {
      stopped = true
      clearTimeout(timer)
    }
  }, [follows.value])
  return (
    <section class="panel">
      <header>
        <h2>Stacks</h2>
        <p class="dim">What each thread runs at this moment. It works for a thread that hangs, too.</p>
        <Button scope="profile" service={name} icon="list" onClick={read}>
          Look
        </Button>
        <Button
          scope="profile"
          service={name}
          icon={follows.value ? 'pause' : 'reload'}
          pressed={follows.value}
          onClick={() => {
            follows.value = !follows.value
          }}
        >
          Every 2 s
        </Button>
      </header>
      {error.value !== undefined && <ProblemBox error={error.value} onRetry={read} />}
      {shown.value.map((stack) => (
        <div key={`${stack.node ?? ''}${stack.id}`} class="thread-stack">
          <h3>
            Thread #{stack.id}
            {stack.node && ` on ${stack.node}`} <span class="dim">{stack.state}</span>
          </h3>
          <StackView
            stack={stack}
            before={before.value.find(({ id, node }) => id === stack.id && node === stack.node)}
          />
        </div>
      ))}
    </section>
  )
}
