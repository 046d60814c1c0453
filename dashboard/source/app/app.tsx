/** The frame around all pages: header, navigation, strips, notices, dialogs, and the keys that work everywhere. */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { KeyList, keyListIsOpen } from '../keys/key-list.tsx'
import { useKeys } from '../keys/keys.ts'
import { Palette, paletteIsOpen } from '../keys/palette.tsx'
import { navigate, path } from '../router/router.ts'
import { loadMe, me } from '../state/me.ts'
import { followOverview } from '../state/overview.ts'
import { followServices } from '../state/services.ts'
import { Confirm } from '../ui/dialog.tsx'
import { ProblemBox } from '../ui/problem-box.tsx'
import { Toasts } from '../ui/toast.tsx'
import { Alerts } from './alerts.tsx'
import { Glance } from './glance.tsx'
import { Header, Navigation, Offline } from './header.tsx'
import { Page } from './pages.tsx'
import { SignIn } from './sign-in.tsx'

export function App() {
  const failed = useSignal<unknown>(undefined)
  const load = async () => {
    failed.value = undefined
    await loadMe().catch((error: unknown) => {
      failed.value = error
    })
  }
  useEffect(() => void load(), [])
  if (me.value === null) return <SignIn />
  if (failed.value !== undefined) {
    return (
      <main id="main">
        <ProblemBox error={failed.value} onRetry={load} />
      </main>
    )
  }
  return me.value === undefined ? null : <Frame />
}

function Frame() {
  useEffect(() => {
    const stops = [followServices(), followOverview()]
    return () => {
      for (const stop of stops) stop()
    }
  }, [])
  useKeys([
    { key: 'mod+k', label: 'Find a page, service, action or job', run: () => (paletteIsOpen.value = true) },
    { key: '/', label: 'Filter', run: focusFilter },
    { key: 'g s', label: 'Services', run: () => navigate('/') },
    { key: 'g j', label: 'Jobs', run: () => navigate('/jobs') },
    { key: 'g f', label: 'Failures', run: () => navigate('/failures') },
    { key: 'g c', label: 'Schedules', run: () => navigate('/schedules') },
    { key: 'g a', label: 'Activity', run: () => navigate('/activity') },
    { key: 'u', label: 'Up to the list', run: () => navigate(path.value.replace(/\/[^/]*$/, '') || '/') },
    { key: '?', label: 'These keys', run: () => (keyListIsOpen.value = true) },
  ])
  return (
    <>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <Header />
      <Navigation />
      <Offline />
      <Alerts />
      {/* A service and a job show figures of their own. */}
      {!/^\/(services|jobs)\/./.test(path.value) && <Glance />}
      <main id="main" tabIndex={-1}>
        <Page />
      </main>
      <Confirm />
      <Palette />
      <KeyList />
      <Toasts />
    </>
  )
}

function focusFilter(): void {
  document.querySelector<HTMLInputElement>('main input[type=search]')?.focus()
}
