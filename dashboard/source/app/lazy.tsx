/** A component that is loaded when it is shown first. */
import { useSignal } from '@preact/signals'
import type { FunctionComponent } from 'preact'
import { useEffect } from 'preact/hooks'
import { ProblemBox } from '../ui/problem-box.tsx'

export function lazy<Props extends object>(load: () => Promise<FunctionComponent<Props>>): FunctionComponent<Props> {
  let Loaded: FunctionComponent<Props> | undefined
  return function Lazy(props) {
    const version = useSignal(0)
    const failed = useSignal<unknown>(undefined)
    // Read, so that it is drawn again once it is loaded.
    void version.value
    useEffect(() => {
      if (Loaded !== undefined) return
      load().then(
        (component) => {
          Loaded = component
          version.value++
        },
        (error: unknown) => {
          failed.value = error
        },
      )
    }, [])
    if (failed.value !== undefined) return <ProblemBox error={failed.value} onRetry={() => location.reload()} />
    return Loaded === undefined ? <p class="loading">Loading…</p> : <Loaded {...props} />
  }
}
