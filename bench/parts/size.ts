/** What a call costs by the size of its payload, a tenth of which comes back, against the same inline. */
import { join } from 'node:path'
import type { Question } from '../harness/contender.ts'
import { describeLoad, Load } from '../harness/load.ts'
import { pins } from '../harness/machine.ts'
import { Report } from '../harness/report.ts'
import type { Settings } from '../harness/settings.ts'
import { inFolder, threadplane, WORKERS } from '../harness/threadplane.ts'
import { columns, loadInTurns, startAll, stopAll } from '../harness/under-load.ts'

const SIZES = [100, 1_000, 10_000, 100_000, 1_000_000] as const
const INLINE = 'fastify inline'
const EMPTY = JSON.stringify({ text: '' })

export async function size(settings: Settings): Promise<void> {
  await inFolder(async (folder) => {
    const pinned = pins('both cores')
    const report = new Report('size', settings, [], { load: describeLoad() })
    let asked = questionOf(SIZES[0])
    const common = { prefix: pinned.servers, question: () => asked }
    const workers = `${WORKERS}sized`
    const started = await startAll(
      [
        { ...common, name: INLINE, program: 'inline-cut.js', path: '/tenth' },
        threadplane({ ...common, path: '/v1/services/cut/call/tenth', data: join(folder, 'data'), workers }),
      ],
      [INLINE, 'threadplane'],
    )
    try {
      for (const bytes of SIZES) {
        asked = questionOf(bytes)
        const load = new Load(pinned.load, asked.body)
        const turns = await loadInTurns(started.contenders, load, settings)
        load.close()
        report.add(`call of ${bytes} bytes, both cores`, turns, columns('calls', INLINE))
      }
      report.write()
    } finally {
      await stopAll(started.contenders)
    }
  })
}

/** A body of exactly so many bytes. */
function questionOf(bytes: number): Question {
  const text = 'threadplane '.repeat(bytes / 10).slice(0, bytes - EMPTY.length)
  const answer = JSON.stringify({ text: text.slice(0, text.length / 10) })
  return { body: JSON.stringify({ text }), isAnswer: (given) => given === answer }
}
