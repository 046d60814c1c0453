/** Something that is read from the server and shown: the last answer stays in sight while it is read again. */
import { batch, type ReadonlySignal, signal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { isAbort } from '../api/request.ts'

export interface Resource<T> {
  /** The last answer. */
  data: ReadonlySignal<T | undefined>
  /** Why the last reading failed. */
  error: ReadonlySignal<unknown>
  loading: ReadonlySignal<boolean>
  /** Reads again; a reading that is under way is given up. */
  reload: () => Promise<void>
  /** Changes the answer in place, for events. */
  change: (change: (data: T) => T) => void
}

/** Reads while the component is shown, and again when `deps` change. The answer to other `deps` is not shown. */
export function useResource<T>(load: (signal: AbortSignal) => Promise<T>, deps: readonly unknown[]): Resource<T> {
  const resource = useMemo(() => createResource(load), deps)
  useEffect(() => {
    void resource.reload()
    return resource.stop
  }, [resource])
  return resource
}

function createResource<T>(load: (signal: AbortSignal) => Promise<T>): Resource<T> & { stop: () => void } {
  const data = signal<T | undefined>(undefined)
  const error = signal<unknown>(undefined)
  const loading = signal(true)
  let running: AbortController | undefined
  const reload = async () => {
    running?.abort()
    const mine = new AbortController()
    running = mine
    loading.value = true
    try {
      const answer = await load(mine.signal)
      if (running === mine) batch(() => ([data.value, error.value] = [answer, undefined]))
    } catch (reason) {
      if (running === mine && !isAbort(reason)) error.value = reason
    } finally {
      if (running === mine) loading.value = false
    }
  }
  const change = (change: (data: T) => T) => {
    if (data.peek() !== undefined) data.value = change(data.peek() as T)
  }
  return { data, error, loading, reload, change, stop: () => running?.abort() }
}
