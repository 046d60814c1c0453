/** The stack of one thread, innermost first; frames that the last look did not have are marked. */
import type { StackList } from '../../../routes/schemas/stack.ts'

export type ThreadStack = StackList['items'][number]

interface StackViewProps {
  stack: ThreadStack
  /** The last look at the same thread. */
  before: ThreadStack | undefined
}

export function StackView({ stack, before }: StackViewProps) {
  const seen = new Set(before?.frames.map((frame) => JSON.stringify(frame)))
  return (
    <ol class="stack">
      {stack.frames.map((frame, index) => (
        <li key={index} class={before === undefined || seen.has(JSON.stringify(frame)) ? '' : 'new'}>
          <code>{frame.function === '' ? '(anonymous)' : frame.function}</code>{' '}
          <span class="dim">
            {frame.url}:{frame.line}:{frame.column}
          </span>
        </li>
      ))}
    </ol>
  )
}
