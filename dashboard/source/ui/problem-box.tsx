/** A problem of the server: title, detail, code, and each of `errors[]`. */
import { toProblem } from '../api/request.ts'
import { Button } from './button.tsx'
import { Icon } from './icon.tsx'

interface ProblemBoxProps {
  error: unknown
  /** Shows a button that tries again. */
  onRetry?: () => unknown
  /** Pointers of errors that are shown at their fields, and not here. */
  shownElsewhere?: (pointer: string) => boolean
}

export function ProblemBox({ error, onRetry, shownElsewhere = () => false }: ProblemBoxProps) {
  const { title, detail, code, reason, status, errors = [] } = toProblem(error)
  const shown = errors.filter(({ pointer }) => !shownElsewhere(pointer))
  return (
    <div class="problem" role="alert">
      <Icon name="alert" />
      <div>
        <p>
          <strong>{title}</strong> <code>{reason ?? code}</code> {status > 0 && <span class="dim">{status}</span>}
        </p>
        {detail && <p class="detail">{detail}</p>}
        {shown.length > 0 && (
          <ul>
            {shown.map(({ pointer, message }) => (
              <li key={pointer + message}>
                <code>{pointer === '' ? '(whole payload)' : pointer}</code> {message}
              </li>
            ))}
          </ul>
        )}
      </div>
      {onRetry && (
        <Button icon="reload" onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  )
}
