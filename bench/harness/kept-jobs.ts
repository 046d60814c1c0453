/** What is left of the jobs after servers were killed: all jobs as a server tells them, and all runs as a file tells them. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface JobView {
  id: string
  state: string
  attempts: number
  history: { error?: { reason?: string } }[]
}

interface Page {
  items: JobView[]
  nextCursor: string | null
}

/** Waits until no job waits or runs, for two minutes at most, and answers all jobs by their ids. */
export async function keptJobs(url: string): Promise<Map<string, JobView>> {
  const waiting = async () => {
    const states = ['queued', 'scheduled', 'running']
    const pages = states.map((state) => page(url, `state=${state}&limit=1`))
    return (await Promise.all(pages)).some(({ items }) => items.length > 0)
  }
  const until = performance.now() + 120_000
  while ((await waiting()) && performance.now() < until) await sleep(50)

  const jobs = new Map<string, JobView>()
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { items, nextCursor } = await page(url, `limit=1000${cursor === '' ? '' : `&cursor=${cursor}`}`)
    for (const job of items) jobs.set(job.id, job)
    cursor = nextCursor
  }
  return jobs
}

async function page(url: string, query: string): Promise<Page> {
  const response = await fetch(`${url}/v1/jobs?${query}`)
  if (!response.ok) throw new Error(`the jobs cannot be listed: ${await response.text()}`)
  return (await response.json()) as Page
}

export interface JobRun {
  attempt: number
  /** Of the server that ran it. */
  pid: number
  /** When it began, in milliseconds since 1970. */
  at: number
}

/** The file that the service `tally` appends a line to for each run. It is read on from where the last read ended. */
export class RunsFile {
  readonly path: string
  readonly runs = new Map<string, JobRun[]>()
  readonly #piece = Buffer.alloc(1 << 20)
  #offset = 0
  #rest = ''

  constructor(path: string) {
    this.path = path
  }

  /** The runs of each job by its id, in the order of the file. */
  read(): Map<string, JobRun[]> {
    if (!existsSync(this.path)) return this.runs
    const file = openSync(this.path, 'r')
    try {
      for (;;) {
        const length = readSync(file, this.#piece, 0, this.#piece.length, this.#offset)
        if (length === 0) return this.runs
        this.#offset += length
        const lines = (this.#rest + this.#piece.toString('latin1', 0, length)).split('\n')
        this.#rest = lines.pop() ?? ''
        for (const line of lines) this.#add(line)
      }
    } finally {
      closeSync(file)
    }
  }

  #add(line: string): void {
    const [id = '', attempt, pid, at] = line.split(' ')
    const run = { attempt: Number(attempt), pid: Number(pid), at: Number(at) }
    const known = this.runs.get(id)
    if (known === undefined) this.runs.set(id, [run])
    else known.push(run)
  }
}
