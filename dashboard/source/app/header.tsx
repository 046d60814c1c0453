/** The header: is it live, the palette, the time, the theme, who is signed in; and the navigation with its counts. */
import { keyListIsOpen } from '../keys/key-list.tsx'
import { paletteIsOpen } from '../keys/palette.tsx'
import { connection, heardAt, reconnect } from '../live/live.ts'
import { href, path, setQuery } from '../router/router.ts'
import { me, signOut } from '../state/me.ts'
import { now } from '../state/now.ts'
import { jobCounts, range, RANGES } from '../state/overview.ts'
import { services } from '../state/services.ts'
import { theme, toggleTheme } from '../state/theme.ts'
import { Button } from '../ui/button.tsx'
import { clock, count, duration } from '../ui/format.ts'
import { Icon } from '../ui/icon.tsx'
import { Menu } from '../ui/menu.tsx'
import { notifyError } from '../ui/toast.tsx'

const FIND_KEY = navigator.userAgent.includes('Mac') ? '⌘K' : 'Ctrl K'

export function Header() {
  return (
    <header class="top">
      <a class="brand" href={href('/')}>
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="7" />
          <path d="M8 10h16M8 16h10M8 22h13" />
        </svg>
        <span>threadplane</span>
      </a>
      <Live />
      <button type="button" class="find" onClick={() => (paletteIsOpen.value = true)}>
        <Icon name="search" />
        <span>Find service, job, action</span>
        <kbd>{FIND_KEY}</kbd>
      </button>
      <Clock />
      <Button
        kind="quiet"
        icon={theme.value === 'dark' ? 'sun' : 'moon'}
        label={theme.value === 'dark' ? 'Use the light theme' : 'Use the dark theme'}
        onClick={toggleTheme}
      />
      <MeMenu />
    </header>
  )
}

function Clock() {
  return <time class="clock">{clock(now.value)} UTC</time>
}

function Live() {
  const state = connection.value
  const text = { live: 'live', connecting: 'connecting', offline: 'offline', 'signed-out': 'signed out' }[state]
  return (
    <span class={`live ${state}`} role="status">
      <span class="dot" aria-hidden="true" />
      {text}
    </span>
  )
}

function MeMenu() {
  const who = me.value
  if (!who) return null
  const { token, via, scopes, expiresAt } = who
  const leave = {
    label: 'Sign out',
    run: () => signOut().catch((error: unknown) => notifyError('Signing out failed', error)),
  }
  return (
    <Menu
      kind="quiet"
      icon="user"
      label="Who is signed in"
      header={
        <div class="menu-header">
          <strong>{token ?? 'No tokens'}</strong>
          <p>
            {via === 'open'
              ? 'The server asks for no token: everybody who reaches it may do anything.'
              : scopes.join(', ')}
          </p>
          {expiresAt && <p>Ends {expiresAt.slice(0, 16).replace('T', ' ')} UTC</p>}
        </div>
      }
      items={[
        { label: 'Keys', note: 'Or press ?', run: () => (keyListIsOpen.value = true) },
        ...(via === 'session' ? [leave] : []),
      ]}
    />
  )
}

const LINKS: { to: string; title: string; count?: () => number | undefined }[] = [
  { to: '/', title: 'Services', count: () => services.value?.length },
  {
    to: '/jobs',
    title: 'Jobs',
    count: () => {
      const total = jobCounts.value?.total
      return total && total.scheduled + total.queued + total.running
    },
  },
  { to: '/failures', title: 'Failures', count: () => jobCounts.value?.total.failed },
  { to: '/schedules', title: 'Schedules' },
  { to: '/activity', title: 'Activity' },
  { to: '/system', title: 'System' },
]

export function Navigation() {
  const at = path.value
  const isHere = (to: string) => (to === '/' ? at === '/' || at.startsWith('/services') : at.startsWith(to))
  return (
    <nav class="pages" aria-label="Pages">
      {LINKS.map(({ to, title, count: read }) => {
        const number = read?.()
        return (
          <a key={to} href={href(to)} aria-current={isHere(to) ? 'page' : undefined}>
            {title}
            {number !== undefined && (
              <span class={`number${title === 'Failures' && number > 0 ? ' bad' : ''}`}>{count(number)}</span>
            )}
          </a>
        )
      })}
      <span class="range">
        <Menu
          kind="quiet"
          icon="clock"
          items={RANGES.map((one) => ({
            label: `Last ${one.replace('m', ' min').replace('1h', 'hour')}`,
            checked: one === range.value,
            run: () => setQuery({ last: one === '1h' ? undefined : one }),
          }))}
          label={`Charts show the last ${range.value}`}
        >
          {range.value}
        </Menu>
      </span>
    </nav>
  )
}

/** While offline: how old is what is shown. */
export function Offline() {
  if (connection.value !== 'offline') return null
  return (
    <div class="strip warn" role="status">
      <Icon name="alert" />
      <p>
        <strong>Not connected.</strong> What you see is {duration(Math.max(1_000, now.value - heardAt.value))} old, from{' '}
        {clock(heardAt.value)} UTC. The page connects again by itself.
      </p>
      <Button icon="reload" onClick={reconnect}>
        Connect now
      </Button>
    </div>
  )
}
