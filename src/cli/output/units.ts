/** Times, sizes and shares, in few characters. */
import ms from 'ms'

/** Where there is no value. */
export const NONE = '–'

/** `4s`, `12ms`, `3m`. */
export function shortTime(timeMs: number): string {
  return ms(timeMs < 10 ? Math.round(timeMs * 10) / 10 : Math.round(timeMs))
}

/** How long ago a time is, or how soon it is. */
export function distance(time: string | null | undefined, now = Date.now()): string {
  return time == null ? NONE : ms(Math.abs(Math.round((now - Date.parse(time)) / 1_000) * 1_000) || 1_000)
}

/** `28 MB`. */
export function shortSize(bytes: number): string {
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (bytes < 1_000 || unit === 'GB') return `${Math.round(bytes)} ${unit}`
    bytes /= 1_000
  }
  return NONE
}

/** `22 %`. */
export function share(part: number, whole: number): string {
  if (whole === 0) return NONE
  const percent = (part / whole) * 100
  return `${percent > 0 && percent < 1 ? '<1' : Math.round(percent)} %`
}

/** `10:42:07`, in the time zone of this machine. */
export function clockTime(time: string): string {
  return new Date(time).toTimeString().slice(0, 8)
}
