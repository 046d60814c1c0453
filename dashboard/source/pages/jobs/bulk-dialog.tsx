/**
 * Asks before an action on all jobs that match: the server counts them first, so the question has a number. Then it goes on
 * in steps, with a bar, until none is left or somebody stops it.
 */
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { isAbort } from '../../api/request.ts'
import { Bar } from '../../ui/bar.tsx'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { count, percent, plural, timestamp } from '../../ui/format.ts'
import { ProblemBox } from '../../ui/problem-box.tsx'
import { notify } from '../../ui/toast.tsx'
import { BULK, bulk, type BulkAction, type BulkFilter } from './bulk.ts'

interface BulkDialogProps {
  action: BulkAction
  /** Without `before`: only jobs that exist when the question is asked are counted and changed. */
  filter: Omit<BulkFilter, 'before'>
  /** Of the group of failures, in words. */
  subject?: string
  onClose: () => void
  /** Something was changed. */
  onChanged: () => void
}

type Step =
  | { kind: 'counting' }
  | { kind: 'asking'; matched: number }
  | { kind: 'running'; matched: number; changed: number }
  | { kind: 'failed'; error: unknown; changed: number }

export function BulkDialog({ action, filter, subject, onClose, onChanged }: BulkDialogProps) {
  const { verb, effect } = BULK[action]
  const step = useSignal<Step>({ kind: 'counting' })
  const ended = useRef(new AbortController())
  const before = useRef(new Date().toISOString())
  const whole = { ...filter, before: before.current }
  useEffect(() => {
    const { signal } = ended.current
    bulk(action, whole, true, signal).then(
      ({ matched }) => {
        step.value = { kind: 'asking', matched }
      },
      (error: unknown) => {
        if (!isAbort(error)) step.value = { kind: 'failed', error, changed: 0 }
      },
    )
    return () => ended.current.abort()
  }, [])

  const run = async (matched: number) => {
    let changed = 0
    step.value = { kind: 'running', matched, changed }
    try {
      for (;;) {
        const result = await bulk(action, whole, false, ended.current.signal)
        changed += result.changed
        step.value = { kind: 'running', matched, changed }
        if (result.changed === 0 || result.remaining === 0) {
          const rest = result.remaining > 0 ? `${plural(result.remaining, 'job')} could not be changed` : undefined
          notify(`${verb}: ${plural(changed, 'job')}`, rest)
          onChanged()
          return onClose()
        }
      }
    } catch (error) {
      if (changed > 0) onChanged()
      if (isAbort(error)) notify(`${verb} was stopped after ${plural(changed, 'job')}`)
      else step.value = { kind: 'failed', error, changed }
    }
  }

  const { value } = step
  return (
    <Dialog
      title={value.kind === 'asking' ? `${verb} ${plural(value.matched, 'job')}?` : `${verb} all jobs that match`}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{value.kind === 'running' ? 'Stop' : 'Cancel'}</Button>
          {value.kind === 'asking' && (
            <Button
              kind={action === 'retry' ? 'primary' : 'danger'}
              scope="operate"
              {...(filter.service !== undefined && { service: filter.service })}
              disabled={value.matched === 0 && 'No job matches'}
              onClick={() => run(value.matched)}
            >
              {verb} {plural(value.matched, 'job')}
            </Button>
          )}
        </>
      }
    >
      <div class="bulk">
        <p>
          All <strong>{filter.state}</strong> jobs of <strong>{targetOf(filter)}</strong> that are there now
          {filter.since !== undefined && `, accepted since ${timestamp(filter.since)} UTC`}
          {filter.errorKey !== undefined && subject === undefined && ', with the same error'}
          {subject !== undefined && (
            <>
              , with the error <bdi>{subject}</bdi>
            </>
          )}
          .
        </p>
        <p>{effect}</p>
        {value.kind === 'counting' && <p class="dim">Counting…</p>}
        {value.kind === 'asking' && value.matched === 0 && <p class="dim">No job matches any more.</p>}
        {value.kind === 'running' && (
          <p class="job-progress">
            <Bar
              share={value.matched === 0 ? 1 : value.changed / value.matched}
              label={percent(value.changed / Math.max(1, value.matched))}
            />
            {count(value.changed)} of {count(value.matched)}
          </p>
        )}
        {value.kind === 'failed' && (
          <>
            {value.changed > 0 && <p>{plural(value.changed, 'job')} were changed before:</p>}
            <ProblemBox error={value.error} />
          </>
        )}
      </div>
    </Dialog>
  )
}

function targetOf({ service, method }: Omit<BulkFilter, 'before'>): string {
  if (service === undefined) return method === undefined ? 'all services' : `methods ${method} of all services`
  return method === undefined ? service : `${service}.${method}`
}
