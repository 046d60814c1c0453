/**
 * The clients of `npm run bench -- watch`, in a thread of the lowest priority: what they cost by themselves would be on other
 * machines, and is not to be taken for what they cost the server.
 */
import { get, type ClientRequest } from 'node:http'
import { setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'

const STREAMS = 100
const LAZY = 10
const TYPES = 'service.*,thread.*,job.*,stats'
const { url } = workerData as { url: string }
const requests: ClientRequest[] = []
let scraping: NodeJS.Timeout | undefined

// Of this thread only.
setPriority(0, 19)
parentPort?.on('message', (message: 'watch' | 'leave') => {
  if (message === 'leave') {
    clearInterval(scraping)
    for (const request of requests.splice(0)) request.destroy()
    return
  }
  for (let index = 0; index < STREAMS; index += 1) {
    const request = get(`${url}/v1/events?type=${TYPES}`, { agent: false }, (response) => {
      if (index >= LAZY) response.resume()
    })
    request.on('error', () => {})
    requests.push(request)
  }
  scraping = setInterval(() => void fetch(`${url}/metrics`).then((response) => response.text()), 1_000)
})
