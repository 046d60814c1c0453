/** Icons: strokes on a grid of 16, in the colour of the text. They say nothing by themselves: words are beside them. */
const PATHS = {
  alert: 'M8 2.5 14.5 13.5h-13zM8 6.5v3M8 11.5v.1',
  bolt: 'M9 1.5 3.5 9H8l-1 5.5L12.5 7H8z',
  check: 'M3 8.5 6.5 12 13 4.5',
  chevron: 'm4 6 4 4 4-4',
  clock: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M8 5v3l2 1.5',
  close: 'm4 4 8 8M12 4l-8 8',
  copy: 'M6 6h7v7H6zM3 10V3h7',
  download: 'M8 2.5v7M5 7l3 3 3-3M3 13h10',
  grid: 'M2.5 2.5h4.5v4.5H2.5zM9 2.5h4.5v4.5H9zM2.5 9h4.5v4.5H2.5zM9 9h4.5v4.5H9z',
  list: 'M5.5 4H14M5.5 8H14M5.5 12H14M2.5 4h.1M2.5 8h.1M2.5 12h.1',
  menu: 'M3 4.5h10M3 8h10M3 11.5h10',
  more: 'M3.5 8h.1M8 8h.1M12.5 8h.1',
  moon: 'M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5z',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  play: 'm5 3 7.5 5L5 13z',
  plus: 'M8 3v10M3 8h10',
  reload: 'M13 3v3.5H9.5M13 6.5A5.5 5.5 0 1 0 13.3 9.5',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.5 10.5 14 14',
  stop: 'M4 4h8v8H4z',
  sun: 'M8 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5M8 1.5V3M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1',
  trash: 'M3 4.5h10M6 4.5v-2h4v2M4.5 4.5l.5 9h6l.5-9',
  user: 'M8 2.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5M3 13.5c.5-3 2.5-4.5 5-4.5s4.500 1.500 5 4.500',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  )
}
