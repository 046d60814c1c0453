/** Numbers, sizes and times as short text. */

const DASH = '–'

/** `812`, `4.2k`, `1.3M`. */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return DASH
  if (value < 10_000) return Math.round(value).toLocaleString('en')
  if (value < 1_000_000) return `${(value / 1_000).toFixed(value < 100_000 ? 1 : 0)}k`
  return `${(value / 1_000_000).toFixed(1)}M`
}

/** A rate: `0.0`, `41.2`, `812`. */
export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined) return DASH
  return value < 100 ? value.toFixed(1) : count(value)
}

/** A share from 0 to 1: `0 %`, `0.3 %`, `22 %`. */
export function percent(share: number | null): string {
  if (share === null || Number.isNaN(share)) return DASH
  const value = share * 100
  return `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} %`
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return DASH
  if (value < 1_024) return `${value} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let size = value / 1_024
  let unit = 0
  while (size >= 1_000 && unit < units.length - 1) {
    size /= 1_024
    unit += 1
  }
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`
}

/** A duration: `0.4 ms`, `14 ms`, `1.2 s`, `3 min`, `2 h`, `5 d`. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return DASH
  if (ms < 1) return ms === 0 ? '0 ms' : `${ms.toFixed(1)} ms`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`
  return `${Math.round(ms / 86_400_000)} d`
}

/** `3 min ago`, `in 4 s`. */
export function ago(time: string | number, now: number): string {
  const ms = now - new Date(time).getTime()
  if (Math.abs(ms) < 1_000) return 'now'
  const text = duration(Math.floor(Math.abs(ms) / 1_000) * 1_000).replace('.0 ', ' ')
  return ms > 0 ? `${text} ago` : `in ${text}`
}

/** The time of day in UTC: `10:42:07`. */
export function clock(time: string | number): string {
  return new Date(time).toISOString().slice(11, 19)
}

/** With the date, in UTC: `2026-11-29 10:42:07`. */
export function timestamp(time: string | number): string {
  return new Date(time).toISOString().slice(0, 19).replace('T', ' ')
}

/** `1 job`, `3 jobs`. */
export function plural(number: number, word: string): string {
  return `${count(number)} ${word}${number === 1 ? '' : 's'}`
}
