/** Asks for a token where the server does. The token is sent once and kept nowhere: a cookie without it follows. */
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { signIn } from '../state/me.ts'
import { reconnect } from '../live/live.ts'
import { Button } from '../ui/button.tsx'
import { ProblemBox } from '../ui/problem-box.tsx'

export function SignIn() {
  const token = useSignal('')
  const error = useSignal<unknown>(undefined)
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => input.current?.focus(), [])
  const submit = async () => {
    error.value = undefined
    try {
      await signIn(token.value.trim())
      reconnect()
    } catch (reason) {
      error.value = reason
      input.current?.focus()
    }
  }
  return (
    <main class="sign-in" id="main">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void submit()
        }}
      >
        <h1>Sign in to threadplane</h1>
        <p class="dim">This server asks for a token. The session lasts at most 12 hours and ends with its token.</p>
        <label class="field">
          <span>Token</span>
          <input
            ref={input}
            type="password"
            autocomplete="current-password"
            placeholder="tp_…"
            required
            value={token.value}
            onInput={(event) => {
              token.value = event.currentTarget.value
            }}
          />
        </label>
        {error.value !== undefined && <ProblemBox error={error.value} />}
        <Button kind="primary" type="submit">
          Sign in
        </Button>
        <details>
          <summary>Where do I get one?</summary>
          <p>On the machine of the server:</p>
          <pre>threadplane token create me --scope read --scope operate</pre>
        </details>
      </form>
    </main>
  )
}
