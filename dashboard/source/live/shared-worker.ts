/**
 * The stream of events for all tabs, in a worker that they share. A tab says goodbye when it closes; of one that crashes the
 * port closes.
 */
import { EventStream, type StreamNews } from './event-stream.ts'
import { type TabMessage, type TabWants, typesOf } from './tabs.ts'

declare const self: EventTarget & { location: Location }

const tabs = new Map<string, TabWants & { port: MessagePort }>()
// The file of the worker is in `assets/`.
const root = new URL('../', self.location.href).href
const stream = new EventStream(root, (news: StreamNews) => {
  for (const { port } of tabs.values()) port.postMessage(news)
})

function forget(port: MessagePort): void {
  for (const [tab, { port: known }] of tabs) if (known === port) tabs.delete(tab)
  stream.follow(typesOf(tabs.values()))
}

self.addEventListener('connect', (event) => {
  const [port] = (event as MessageEvent).ports
  if (port === undefined) return
  port.addEventListener('message', ({ data }: MessageEvent<TabMessage>) => {
    if (data.kind === 'retry') return stream.retry()
    if (data.kind === 'bye') tabs.delete(data.tab)
    else {
      const isNew = !tabs.has(data.tab)
      tabs.set(data.tab, { types: data.types, hidden: data.hidden, port })
      if (isNew) port.postMessage(stream.connection)
    }
    stream.follow(typesOf(tabs.values()))
  })
  // Not all browsers tell: there, a tab that has crashed stays in the list until the browser ends the worker.
  port.addEventListener('close', () => forget(port))
  port.start()
})
