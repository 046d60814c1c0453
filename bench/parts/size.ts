/** Calls by the size of their payload, a tenth of which comes back, against the same inline: as JSON, and as bytes. */
import { join } from 'node:path'
import type { Question } from '../harness/contender.ts'
import { describeLoad, Load } from '../harness/load.ts'
import { pins } from '../harness/machine.ts'
import { Report } from '../harness/report.ts'
import type { Settings } from '../harness/settings.ts'
import { inFolder, threadplane, WORKERS } from '../harness/threadplane.ts'
import { columns, loadInTurns, startAll, stopAll } from '../harness/under-load.ts'

const INLINE = 'fastify inline'

/** The same method twice: once with JSON, once with bytes. */
interface Kind {
  section: string
  method: string
  sizes: readonly number[]
  questionOf: (bytes: number) => Question
}

const KINDS: readonly Kind[] = [
  { section: 'call of', method: 'tenth', sizes: [100, 10_000, 100_000, 1_000_000], questionOf: jsonOf },
  { section: 'binary call of', method: 'tenthOfBytes', sizes: [10_000, 1_000_000], questionOf: bytesOf },
]

export async function size(settings: Settings): Promise<void> {
  const report = new Report('size', settings, [], { load: describeLoad() })
  for (const kind of KINDS) await inFolder((folder) => measure(kind, folder, settings, report))
  report.write()
}

async function measure(kind: Kind, folder: string, settings: Settings, report: Report): Promise<void> {
  const { section, method, sizes, questionOf } = kind
  const pinned = pins('both cores')
  let asked = questionOf(sizes[0] as number)
  const common = { prefix: pinned.servers, question: () => asked }
  const workers = `${WORKERS}sized`
  const started = await startAll(
    [
      { ...common, name: INLINE, program: 'inline-cut.js', path: `/${method}` },
      threadplane({ ...common, path: `/v1/services/cut/call/${method}`, data: join(folder, 'data'), workers }),
    ],
    [INLINE, 'threadplane'],
  )
  try {
    for (const [before, bytes] of sizes.entries()) {
      asked = questionOf(bytes)
      const load = new Load(pinned.load, asked)
      // After the first size the hot code is compiled already.
      const turns = await loadInTurns(started.contenders, load, settings, before === 0 ? undefined : settings.seconds)
      load.close()
      report.add(`${section} ${bytes} bytes, both cores`, turns, columns('calls', INLINE))
    }
  } finally {
    await stopAll(started.contenders)
  }
}

/** A question whose body has exactly this size. */
export function jsonOf(bytes: number): Question {
  const text = textOf(bytes - JSON.stringify({ text: '' }).length)
  const answer = JSON.stringify({ text: text.slice(0, text.length / 10) })
  return { body: JSON.stringify({ text }), isAnswer: (given) => given === answer }
}

function bytesOf(bytes: number): Question {
  const body = textOf(bytes)
  const answer = body.slice(0, bytes / 10)
  return { body, contentType: 'application/octet-stream', isAnswer: (given) => given === answer }
}

function textOf(length: number): string {
  return 'threadplane '.repeat(length / 10).slice(0, length)
}
