/** A CPU profile as a tree of times, and the boxes that an icicle shows of it. Pure. */

interface ProfileNode {
  id: number
  callFrame: { functionName: string; url: string; lineNumber: number; columnNumber: number }
  hitCount?: number
  children?: number[]
}

/** A `.cpuprofile`, as V8 writes it. */
export interface CpuProfile {
  nodes: ProfileNode[]
  startTime: number
  endTime: number
  samples?: number[]
  timeDeltas?: number[]
}

/** `vm`: work of the engine itself, such as garbage collection. */
export type Origin = 'own' | 'packages' | 'node' | 'vm'

export interface Frame {
  /** Names of the path to it: the same in another recording. */
  key: string
  name: string
  url: string
  /** Counts from 1. */
  line: number
  origin: Origin
  /** Microseconds. */
  self: number
  total: number
  children: Frame[]
  parent: Frame | undefined
}

/** A frame drawn from `left`, with `width`, both from 0 to 1. */
export interface Box {
  frame: Frame
  depth: number
  left: number
  width: number
}

/** Narrower boxes are not drawn, and what is below them neither. */
const LEAST_WIDTH = 0.0015
const MAX_DEPTH = 100

/** The root of all frames. Calls of the same function by the same caller are one frame; waiting is left out. */
export function frameTree(profile: CpuProfile): Frame {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const times = selfTimes(profile)
  const root: Frame = { ...empty('all', '', 0, 'vm'), parent: undefined }
  const isChild = new Set(profile.nodes.flatMap(({ children = [] }) => children))
  const queue: [node: ProfileNode, parent: Frame][] = profile.nodes
    .filter(({ id }) => !isChild.has(id))
    .flatMap(({ children = [] }) => children.flatMap((id) => nodes.get(id) ?? []))
    .map((node) => [node, root])
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const [node, parent] = next
    if (node.callFrame.functionName === '(idle)') continue
    const frame = childOf(parent, node)
    frame.self += times.get(node.id) ?? 0
    for (const id of node.children ?? []) {
      const child = nodes.get(id)
      if (child !== undefined) queue.push([child, frame])
    }
  }
  addTotals(root)
  return root
}

/** The boxes below a frame, and its callers above it at full width. */
export function boxesOf(focus: Frame): Box[] {
  const callers = callersOf(focus)
  const boxes: Box[] = callers.map((frame, depth) => ({ frame, depth, left: 0, width: 1 }))
  const queue: Box[] = [{ frame: focus, depth: callers.length, left: 0, width: 1 }]
  for (let box = queue.shift(); box !== undefined; box = queue.shift()) {
    boxes.push(box)
    const { frame, depth } = box
    let { left } = box
    for (const child of frame.children) {
      const width = frame.total === 0 ? 0 : (box.width * child.total) / frame.total
      if (width >= LEAST_WIDTH && depth < MAX_DEPTH) queue.push({ frame: child, depth: depth + 1, left, width })
      left += width
    }
  }
  return boxes
}

/** Outermost first. */
function callersOf({ parent }: Frame): Frame[] {
  return parent === undefined ? [] : [...callersOf(parent), parent]
}

export interface FunctionTime {
  name: string
  url: string
  line: number
  origin: Origin
  self: number
}

/** The functions that took most time themselves, wherever they were called. */
export function hottest(root: Frame, limit: number): FunctionTime[] {
  const found = new Map<string, FunctionTime>()
  const walk = ({ name, url, line, origin, self, children }: Frame) => {
    const key = `${name} ${url} ${line}`
    const known = found.get(key) ?? { name, url, line, origin, self: 0 }
    known.self += self
    found.set(key, known)
    children.forEach(walk)
  }
  walk(root)
  return [...found.values()]
    .filter(({ self }) => self > 0)
    .sort((a, b) => b.self - a.self)
    .slice(0, limit)
}

/** Time within functions whose name or file contains the text, each counted once. */
export function timeOf(root: Frame, text: string): number {
  if (matches(root, text)) return root.total
  return root.children.reduce((sum, child) => sum + timeOf(child, text), 0)
}

export function matches({ name, url }: { name: string; url: string }, text: string): boolean {
  const wanted = text.toLowerCase()
  return text !== '' && (name.toLowerCase().includes(wanted) || url.toLowerCase().includes(wanted))
}

function selfTimes({ nodes, samples = [], timeDeltas = [], startTime, endTime }: CpuProfile): Map<number, number> {
  if (samples.length > 0 && timeDeltas.length === samples.length) {
    const times = new Map<number, number>()
    samples.forEach((id, at) => {
      // The time until the next sample is spent where this one was taken.
      const spent = timeDeltas[at + 1] ?? 0
      times.set(id, (times.get(id) ?? 0) + Math.max(0, spent))
    })
    return times
  }
  const hits = nodes.reduce((sum, { hitCount = 0 }) => sum + hitCount, 0)
  const each = hits === 0 ? 0 : (endTime - startTime) / hits
  return new Map(nodes.map(({ id, hitCount = 0 }) => [id, hitCount * each]))
}

function childOf(parent: Frame, { callFrame }: ProfileNode): Frame {
  const { functionName, url, lineNumber } = callFrame
  const name = functionName || '(anonymous)'
  const key = `${parent.key}/${name} ${url}:${lineNumber}`
  const known = parent.children.find((frame) => frame.key === key)
  if (known !== undefined) return known
  const frame = { ...empty(name, url, lineNumber + 1, originOf(name, url)), key, parent }
  parent.children.push(frame)
  return frame
}

function empty(name: string, url: string, line: number, origin: Origin): Omit<Frame, 'parent'> {
  return { key: name, name, url, line, origin, self: 0, total: 0, children: [] }
}

function originOf(name: string, url: string): Origin {
  if (url.startsWith('node:')) return 'node'
  if (url.includes('/node_modules/')) return 'packages'
  return url === '' || /^\(.*\)$/.test(name) ? 'vm' : 'own'
}

function addTotals(frame: Frame): number {
  frame.total = frame.self + frame.children.reduce((sum, child) => sum + addTotals(child), 0)
  frame.children.sort((a, b) => b.total - a.total)
  return frame.total
}
