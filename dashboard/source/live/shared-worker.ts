/**
 * The stream of events for all tabs, in a worker that they share. A tab says goodbye when it closes; one that
 * crashes loses its lock. Where there are no locks, it stays in the list until the browser ends the worker.
 */
import { EventStream, type StreamNews } from './event-stream.ts'
import { lockOf, type TabHolds, type TabMessage, type TabWants, typesOf } from './tabs.ts'

declare const self: EventTarget & { location: Location }

const tabs = new Map<string, TabWants & { port: MessagePort }>()
// The file of the worker is in `assets/`.
const root = new URL('../', self.location.href).href
const stream = new EventStream(root, (news: StreamNews) => {
  for (const { port } of tabs.values()) port.postMessage(news)
})

function forget(tab: string): void {
  tabs.delete(tab)
  stream.follow(typesOf(tabs.values()))
}

self.addEventListener('connect', (event) => {
  const [port] = (event as MessageEvent).ports
  if (port === undefined) return
  port.addEventListener('message', ({ data }: MessageEvent<TabMessage | TabHolds>) => {
    if (data.kind === 'retry') return stream.retry()
    if (data.kind === 'bye') return forget(data.tab)
    if (data.kind === 'holds') return void navigator.locks.request(lockOf(data.tab), () => forget(data.tab))
    const isNew = !tabs.has(data.tab)
    tabs.set(data.tab, { types: data.types, hidden: data.hidden, port })
    if (isNew) port.postMessage(stream.connection)
    stream.follow(typesOf(tabs.values()))
  })
  port.start()
})
