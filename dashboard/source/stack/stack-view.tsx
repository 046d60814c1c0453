/** The stack of one thread, innermost first, with what has changed since the last look. */
import type { StackList } from '../../../routes/schemas/stack.ts'
import { compareStacks, shortUrl } from './diff-stack.ts'
import './stack.css'

export type ThreadStack = StackList['items'][number]

interface StackViewProps {
  stack: ThreadStack
  /** The last look at the same thread. */
  before: ThreadStack | undefined
}

/** The state of a thread without frames. */
const WITHOUT_FRAMES: Record<string, string> = {
  idle: 'Its event loop waits: nothing runs.',
  'blocked-native': 'It did not answer for a second, so it runs native code. Such a stack cannot be read.',
}

const CHANGES = { same: ['', ''], moved: ['→', 'at another line'], new: ['+', 'new'], gone: ['−', 'gone'] } as const

export function StackView({ stack, before }: StackViewProps) {
  const frames = compareStacks(before?.frames, stack.frames)
  const isSame = before !== undefined && frames.length > 0 && frames.every(({ change }) => change === 'same')
  return (
    <>
      {stack.frames.length === 0 && <p class="dim">{WITHOUT_FRAMES[stack.state] ?? 'It has no frames.'}</p>}
      {isSame && <p class="dim">Nothing has changed since the last look.</p>}
      {frames.length > 0 && (
        <ol class="stack">
          {frames.map(({ frame, change }, at) => {
            const [mark, words] = CHANGES[change]
            return (
              <li key={at} class={change}>
                <span class="change" title={words}>
                  {mark}
                  {words !== '' && <span class="sr-only">{words}</span>}
                </span>
                <code class="function">{frame.function || '(anonymous)'}</code>
                <span class="place" title={frame.url}>
                  {shortUrl(frame.url)}:{frame.line}:{frame.column}
                </span>
              </li>
            )
          })}
        </ol>
      )}
    </>
  )
}
