/** Light, dark, or as the system has it. Kept in this browser. */
import { signal } from '@preact/signals'

export type Theme = 'light' | 'dark'

const KEY = 'threadplane-theme'
const system = matchMedia('(prefers-color-scheme: dark)')

export const theme = signal<Theme>('light')

/** Once, before anything is drawn. */
export function startTheme(): void {
  const read = () => {
    const chosen = localStorage.getItem(KEY)
    theme.value = chosen === 'light' || chosen === 'dark' ? chosen : system.matches ? 'dark' : 'light'
    document.documentElement.dataset.theme = theme.value
  }
  read()
  system.addEventListener('change', read)
  addEventListener('storage', ({ key }) => key === KEY && read())
}

export function toggleTheme(): void {
  theme.value = theme.value === 'dark' ? 'light' : 'dark'
  document.documentElement.dataset.theme = theme.value
  const isSystems = theme.value === (system.matches ? 'dark' : 'light')
  if (isSystems) localStorage.removeItem(KEY)
  else localStorage.setItem(KEY, theme.value)
}
