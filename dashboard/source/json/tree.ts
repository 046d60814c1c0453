/** JSON as rows of a tree: which parts are open at first, and the rows of the open parts. Pure. */

/** Rows that a large value begins with. */
export const LARGE_ROWS = 200
/** JSON of more characters is large. */
export const LARGE_CHARS = 64 * 1024
const SMALL_ROWS = 600
/** Members of one part that are opened at once. */
const PART = 100

/** Path of an open part → how many of its members are shown. A path is a JSON pointer. */
export type Open = ReadonlyMap<string, number>

export interface Row {
  path: string
  depth: number
  /** The name or number within its parent; `undefined`: the whole value, or the end of a part. */
  name: string | undefined
  content:
    | { kind: 'scalar'; value: unknown }
    /** `size`: number of members. */
    | { kind: 'open' | 'closed'; bracket: '{' | '['; size: number }
    /** Members that are not shown. */
    | { kind: 'more'; hidden: number; shown: number }
    | { kind: 'end'; bracket: '}' | ']' }
}

/** Opens parts level by level until the rows are used up. */
export function firstOpen(value: unknown, chars: number): Open {
  const open = new Map<string, number>()
  let left = chars > LARGE_CHARS ? LARGE_ROWS : SMALL_ROWS
  let level: [path: string, value: unknown][] = [['', value]]
  while (level.length > 0 && left > 0) {
    const next: typeof level = []
    for (const [path, part] of level) {
      const size = sizeOf(part)
      if (size === undefined || left <= 0) continue
      const shown = Math.min(size, PART, left)
      open.set(path, shown)
      left -= shown
      for (const [name, member] of members(part, shown)) next.push([childPath(path, name), member])
    }
    level = next
  }
  return open
}

export function rowsOf(value: unknown, open: Open): Row[] {
  const rows: Row[] = []
  addRows(rows, open, { value, path: '', depth: 0, name: undefined })
  return rows
}

/** Opens a part, or shows more of its members. */
export function openMore(open: Open, path: string): Open {
  return new Map(open).set(path, (open.get(path) ?? 0) + PART)
}

export function closePart(open: Open, path: string): Open {
  const next = new Map(open)
  next.delete(path)
  return next
}

interface Part {
  value: unknown
  path: string
  depth: number
  name: string | undefined
}

function addRows(rows: Row[], open: Open, { value, path, depth, name }: Part): void {
  const size = sizeOf(value)
  if (size === undefined) {
    rows.push({ path, depth, name, content: { kind: 'scalar', value } })
    return
  }
  const isList = Array.isArray(value)
  const shown = size === 0 ? undefined : open.get(path)
  const bracket = isList ? '[' : '{'
  rows.push({ path, depth, name, content: { kind: shown === undefined ? 'closed' : 'open', bracket, size } })
  if (shown === undefined) return
  for (const [child, member] of members(value, shown)) {
    addRows(rows, open, { value: member, path: childPath(path, child), depth: depth + 1, name: child })
  }
  const common = { path, name: undefined }
  if (size > shown) rows.push({ ...common, depth: depth + 1, content: { kind: 'more', hidden: size - shown, shown } })
  rows.push({ ...common, depth, content: { kind: 'end', bracket: isList ? ']' : '}' } })
}

function sizeOf(value: unknown): number | undefined {
  if (Array.isArray(value)) return value.length
  return typeof value === 'object' && value !== null ? Object.keys(value).length : undefined
}

/** The first members of an object or list. */
function* members(value: unknown, limit: number): Generator<[name: string, value: unknown]> {
  let left = limit
  if (Array.isArray(value)) {
    for (let at = 0; at < Math.min(limit, value.length); at += 1) yield [String(at), value[at]]
    return
  }
  for (const name of Object.keys(value as object)) {
    if (left-- <= 0) return
    yield [name, (value as Record<string, unknown>)[name]]
  }
}

function childPath(path: string, name: string): string {
  return `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}
