/** What many registered services cost a call: 500 with 5,000 methods, of which one is started. */
import { describeLoad, Load } from '../harness/load.ts'
import { pins } from '../harness/machine.ts'
import { Report } from '../harness/report.ts'
import { startAmong } from '../harness/services-among.ts'
import type { Settings } from '../harness/settings.ts'
import { inFolder } from '../harness/threadplane.ts'
import { columns, loadInTurns, stopAll } from '../harness/under-load.ts'

const SERVICES = 500
const ONE = 'threadplane, 1 service'
const MANY = `threadplane, ${SERVICES} services`

export async function services(settings: Settings): Promise<void> {
  await inFolder(async (folder) => {
    const pinned = pins('both cores')
    const load = new Load(pinned.load)
    const report = new Report('services', settings, [], { load: describeLoad() })
    const counts = new Map([
      [ONE, 1],
      [MANY, SERVICES],
    ])
    const contenders = await startAmong(folder, counts, pinned.servers)
    try {
      const turns = await loadInTurns(contenders, load, settings)
      report.add('call among services that are registered', turns, columns('calls', ONE))
      report.write()
    } finally {
      await stopAll(contenders)
      load.close()
    }
  })
}
