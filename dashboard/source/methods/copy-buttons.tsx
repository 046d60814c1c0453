/** Copies a call as text that does the same elsewhere. */
import { useState } from 'preact/hooks'
import { Button } from '../ui/button.tsx'
import { notify } from '../ui/toast.tsx'
import { type Invocation, LANGUAGES, type Mode } from './copy-as.ts'

interface CopyButtonsProps {
  invocation: (mode: Mode) => Invocation
  canCast: boolean
}

export function CopyButtons({ invocation, canCast }: CopyButtonsProps) {
  const [mode, setMode] = useState<Mode>('call')
  return (
    <span class="copy-as">
      <span class="dim">copy</span>
      {canCast ? (
        <select
          aria-label="What to copy"
          value={mode}
          onChange={({ currentTarget }) => setMode(currentTarget.value as Mode)}
        >
          <option value="call">call</option>
          <option value="cast">cast</option>
        </select>
      ) : (
        <span class="dim">call</span>
      )}
      <span class="dim">as</span>
      {Object.entries(LANGUAGES).map(([language, write]) => (
        <Button
          key={language}
          kind="quiet"
          onClick={() =>
            navigator.clipboard.writeText(write(invocation(mode))).then(
              () => notify(`Copied as ${language}`),
              () => notify('The browser did not let the page copy', undefined, 'bad'),
            )
          }
        >
          {language}
        </Button>
      ))}
    </span>
  )
}
