/**
 * Live events for this tab, from one stream for all tabs of the browser: in a SharedWorker; where there is none, in the
 * tab that holds a lock, which tells the others on a channel; where there are no locks either, a stream of its own.
 */
import { batch, computed, effect, signal } from '@preact/signals'
import { ROOT } from '../api/request.ts'
import { me } from '../state/me.ts'
import { publish, publishGap, wantedTypes } from './bus.ts'
import { type Connection, EventStream, type StreamNews } from './event-stream.ts'
import { lockOf, type TabHolds, type TabMessage, type TabWants, typesOf } from './tabs.ts'

export const connection = signal<Connection>('connecting')
/** What each number of a row of `stats` is. */
export const statsColumns = signal<readonly string[]>([])
export const serverVersion = signal<string | undefined>(undefined)
/** How many streams have begun. A stream tells only the numbers that change: those from before may be old. */
export const streamsBegun = signal(0)
/** When something came last, in milliseconds since the epoch. While offline it tells how old is what is shown. */
export const heardAt = signal(Date.now())
export const isLive = computed(() => connection.value === 'live')

const LOCK = 'threadplane-events'
const tab = crypto.randomUUID?.() ?? String(Math.random())
let send: (message: TabMessage) => void = () => {}

/** Tries to connect now. */
export function reconnect(): void {
  send({ kind: 'retry' })
}

/** Follows the events that parts of the page want, while somebody is signed in. */
export function startLive(): void {
  send = openSharedWorker() ?? openWithLock() ?? openAlone()
  const hidden = signal(document.hidden)
  document.addEventListener('visibilitychange', () => {
    hidden.value = document.hidden
  })
  addEventListener('online', reconnect)
  addEventListener('pagehide', () => send({ kind: 'bye', tab }))
  // A tab that comes back out of the browser's cache has said goodbye before.
  const shown = signal(0)
  addEventListener('pageshow', ({ persisted }) => persisted && shown.value++)
  effect(() => {
    void shown.value
    const types = me.value ? wantedTypes.value : []
    send({ kind: 'wants', tab, types, hidden: hidden.value })
  })
}

function hear(news: StreamNews): void {
  batch(() => {
    if (news.kind === 'connection') {
      connection.value = news.state
      if (news.state === 'live') streamsBegun.value++
      if (news.statsColumns !== undefined) statsColumns.value = news.statsColumns
      if (news.version !== undefined) serverVersion.value = news.version
      if (news.state === 'signed-out' && me.peek()) me.value = null
    } else if (news.kind === 'events') for (const event of news.events) publish(event)
    if (news.kind !== 'connection' || news.state === 'live') heardAt.value = Date.now()
  })
  if (news.kind === 'gap') publishGap()
}

function openSharedWorker(): typeof send | undefined {
  if (typeof SharedWorker !== 'function') return undefined
  const worker = new SharedWorker(new URL('./shared-worker.ts', import.meta.url), { type: 'module', name: 'events' })
  worker.port.addEventListener('message', ({ data }: MessageEvent<StreamNews>) => hear(data))
  worker.port.start()
  void navigator.locks?.request(lockOf(tab), () => {
    worker.port.postMessage({ kind: 'holds', tab } satisfies TabHolds)
    // Never: the lock is held until the tab ends.
    return new Promise<void>(() => {})
  })
  return (message) => worker.port.postMessage(message)
}

/**
 * The tab that gets the lock has the stream; when it closes, another one gets the lock. That one begins a stream of its own:
 * for all tabs there may be a gap between the two.
 */
function openWithLock(): typeof send | undefined {
  if (!('locks' in navigator) || typeof BroadcastChannel !== 'function') return undefined
  const channel = new BroadcastChannel(LOCK)
  const tabs = new Map<string, TabWants>()
  let stream: EventStream | undefined
  let mine: TabMessage | undefined
  let hasFollowed = false
  const tellAll = (news: StreamNews) => {
    hear(news)
    channel.postMessage(news)
  }
  const take = (message: TabMessage) => {
    if (message.kind === 'retry') return stream?.retry()
    if (message.kind === 'bye') tabs.delete(message.tab)
    else tabs.set(message.tab, message)
    stream?.follow(typesOf(tabs.values()))
  }
  channel.addEventListener('message', ({ data }: MessageEvent<TabMessage | StreamNews | { kind: 'who' }>) => {
    if (data.kind === 'who') return mine && channel.postMessage(mine)
    if (data.kind === 'wants' || data.kind === 'bye' || data.kind === 'retry') {
      take(data)
      if (data.kind === 'wants' && stream !== undefined) channel.postMessage(stream.connection)
    } else {
      hasFollowed = true
      hear(data)
    }
  })
  void navigator.locks.request(LOCK, () => {
    stream = new EventStream(ROOT, (news) => {
      tellAll(news)
      if (!hasFollowed || news.kind !== 'connection' || news.state !== 'live') return
      hasFollowed = false
      tellAll({ kind: 'gap' })
    })
    channel.postMessage({ kind: 'who' })
    if (mine) take(mine)
    // Never: the lock is held until the tab closes.
    return new Promise<void>(() => {})
  })
  return (message) => {
    if (message.kind === 'wants') mine = message
    take(message)
    channel.postMessage(message)
  }
}

function openAlone(): typeof send {
  const stream = new EventStream(ROOT, hear)
  return (message) => {
    if (message.kind === 'retry') stream.retry()
    else stream.follow(message.kind === 'bye' ? [] : typesOf([message]))
  }
}
