/**
 * Which rows of a long table are in sight of the window, so that only these are drawn. All rows are taken to be as high as
 * the first one that is drawn: on a narrow screen, where rows are cards, this is nearly so, and the rest only moves the
 * scroll bar. Own code: the library for this takes 9 kB of the 70 kB that the page may have.
 */
import { useSignal } from '@preact/signals'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'

/** Until a row is drawn, in pixels. */
const ROW_PX = 37
/** Rows are drawn in steps of so many, and so many more at both ends: most scrolling draws nothing. */
const STEP = 8
/** Rows that are drawn at first, and added in each frame: a table that draws all of them at once blocks the page for too long. */
const SLICE = 8

export interface VisibleRows {
  first: number
  /** One behind the last. */
  end: number
  /** Height of the rows before and after, in pixels. */
  before: number
  after: number
  /** Scrolls as little as shows the row. */
  scrollTo: (index: number) => void
}

/** @param body the element that has the rows as its children */
export function useVisibleRows(body: { current: HTMLElement | null }, count: number): VisibleRows {
  const rowPx = useRef(ROW_PX)
  const start = useSignal(0)
  const shown = useSignal(Math.ceil(innerHeight / ROW_PX))
  const drawn = useSignal(SLICE)
  const first = Math.max(0, Math.min(start.value, count) - STEP)
  const wanted = Math.min(count, start.value + shown.value + STEP * 2)
  const end = Math.min(wanted, first + drawn.value)
  useEffect(() => {
    if (end >= wanted) return
    const frame = requestAnimationFrame(() => {
      drawn.value += SLICE
    })
    return () => cancelAnimationFrame(frame)
  }, [end, wanted])
  const look = () => {
    if (body.current === null) return
    const above = -body.current.getBoundingClientRect().top
    start.value = Math.max(0, Math.floor(above / rowPx.current / STEP) * STEP)
    shown.value = Math.ceil(innerHeight / rowPx.current)
  }
  useLayoutEffect(() => {
    const [one, two] = body.current?.querySelectorAll<HTMLElement>('tr[data-index]') ?? []
    if (one === undefined || two === undefined) return
    // With the gap between cards.
    const px = two.getBoundingClientRect().top - one.getBoundingClientRect().top
    if (px < 1 || Math.abs(px - rowPx.current) < 1) return
    rowPx.current = px
    look()
  }, [count === 0, innerWidth])
  useEffect(() => {
    look()
    addEventListener('scroll', look, { passive: true })
    addEventListener('resize', look)
    return () => {
      removeEventListener('scroll', look)
      removeEventListener('resize', look)
    }
  }, [])
  const scrollTo = (index: number) => {
    if (body.current === null) return
    const top = body.current.getBoundingClientRect().top + index * rowPx.current
    // The head of the table stays in sight.
    if (top < rowPx.current) scrollBy(0, top - rowPx.current)
    else if (top + rowPx.current > innerHeight) scrollBy(0, top + rowPx.current - innerHeight)
  }
  return { first, end, before: first * rowPx.current, after: (count - end) * rowPx.current, scrollTo }
}
