/** How full something is, from 0 to 1. The number is written beside it. */
export function Bar({
  share,
  tone = 'accent',
  label,
}: {
  share: number
  tone?: 'accent' | 'warn' | 'bad'
  label: string
}) {
  const full = Math.max(0, Math.min(1, share))
  return (
    <span class={`bar ${tone}`} role="img" aria-label={label}>
      <span style={{ width: `${full > 0 && full < 0.03 ? 3 : full * 100}%` }} />
    </span>
  )
}
