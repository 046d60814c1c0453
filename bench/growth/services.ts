/** Calls a second among services that are registered and not started. */
import { Load } from '../harness/load.ts'
import { pins } from '../harness/machine.ts'
import type { Report } from '../harness/report.ts'
import { startAmong } from '../harness/services-among.ts'
import type { Settings } from '../harness/settings.ts'
import { inFolder } from '../harness/threadplane.ts'
import { loadInTurns, rate, stopAll } from '../harness/under-load.ts'
import { addCurve, sizesOf } from './curve.ts'

const SIZES = sizesOf([1, 100, 1_000])

export async function byServices(report: Report, settings: Settings): Promise<void> {
  await inFolder(async (folder) => {
    const pinned = pins('both cores')
    const contenders = await startAmong(folder, SIZES, pinned.servers)
    const load = new Load(pinned.load)
    try {
      const turns = await loadInTurns(contenders, load, settings)
      const title = 'Calls a second, by registered services'
      const series = [{ name: 'calls', unit: '1/s', of: rate }]
      addCurve(report, { file: 'services', title, xTitle: 'registered services', sizes: SIZES, series }, turns)
    } finally {
      load.close()
      await stopAll(contenders)
    }
  })
}
