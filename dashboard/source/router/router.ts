/**
 * The address of the page as signals. Filters and tabs are in the query, so that a link shows the same to somebody else.
 * A plain `<a href={href('/jobs')}>` is enough: clicks on links of the page are caught in one place.
 */
import { batch, signal } from '@preact/signals'
import { ROOT } from '../api/request.ts'

/** The path within the page, such as `/services/primes`. */
export const path = signal('/')
export const query = signal(new URLSearchParams())

/** The address of a path of the page, for `<a href>`. */
export function href(to: string): string {
  return ROOT + to.slice(1)
}

/** The range of the charts goes along. */
export function navigate(to: string, { replace = false } = {}): void {
  const last = query.value.get('last')
  const kept = last === null || to.includes('last=') ? to : `${to}${to.includes('?') ? '&' : '?'}last=${last}`
  history[replace ? 'replaceState' : 'pushState'](null, '', href(kept))
  read()
  if (!replace) scrollTo(0, 0)
}

/** Changes parts of the query; an empty value removes its name. Without `push`, the history gets no entry. */
export function setQuery(changes: Record<string, string | undefined>, { push = false } = {}): void {
  const next = new URLSearchParams(query.value)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === '') next.delete(name)
    else next.set(name, value)
  }
  const search = next.toString()
  const to = path.value + (search === '' ? '' : `?${search}`)
  history[push ? 'pushState' : 'replaceState'](null, '', href(to))
  read()
}

/** Reads the address at each change of it, and makes links of the page change it without a load. */
export function startRouter(): void {
  read()
  addEventListener('popstate', read)
  document.addEventListener('click', (event) => {
    const link = (event.target as Element).closest?.('a[href]')
    if (!(link instanceof HTMLAnchorElement) || event.defaultPrevented || event.button !== 0) return
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    if (link.target !== '' || link.hasAttribute('download') || link.origin !== location.origin) return
    const to = within(link.pathname)
    if (to === undefined || !isPage(to)) return
    event.preventDefault()
    navigate(to + link.search)
  })
}

function read(): void {
  batch(() => {
    path.value = within(location.pathname) ?? '/'
    if (query.value.toString() !== new URLSearchParams(location.search).toString()) {
      query.value = new URLSearchParams(location.search)
    }
  })
}

function within(pathname: string): string | undefined {
  return pathname.startsWith(ROOT) ? `/${pathname.slice(ROOT.length)}` : undefined
}

/** The server has other things below the same root. */
function isPage(to: string): boolean {
  return !/^\/(v1|docs|openapi\.|metrics|livez|readyz|startupz|assets)/.test(to)
}
