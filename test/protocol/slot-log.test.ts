/** P3, between processes: of two sides that claim a method, exactly one has it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fstatSync } from 'node:fs'
import t from 'tap'
import { SlotLog, ThreadSlotLog } from '../../src/protocol/slot-log.ts'
import { openLogFiles } from '../../src/threads/slot-log-files.ts'
import { MAX_SEQUENCE, nextSequence } from '../../src/protocol/slots.ts'

/** A slot log with both sides in this process. */
function log(length: number) {
  const fds = openLogFiles()
  const control = new SlotLog(fds, { length, fds })
  t.teardown(() => control.close())
  return { control, thread: new ThreadSlotLog(control.shared), sizes: () => fds.map((fd) => fstatSync(fd).size) }
}

t.test('a method is begun or revoked, never both; the number of an earlier method does nothing', async (t) => {
  const { control, thread } = log(2)
  t.equal(thread.length, 2)
  control.hand(0, 7)
  t.equal(thread.isHanded(0, 7), true)
  t.equal(control.hasBegun(0, 7), false)
  t.equal(thread.begin(0, 7), true)
  t.equal(control.hasBegun(0, 7), true)
  t.equal(control.revoke(0, 7), false)
  control.hand(0, 8)
  t.equal(control.hasBegun(0, 8), false)
  t.equal(control.revoke(0, 7), false)
  t.equal(control.revoke(0, 8), true)
  t.equal(control.revoke(0, 8), false, 'once only')
  t.equal(thread.isHanded(0, 8), false)
  t.equal(thread.begin(0, 8), false)
  control.hand(0, 9)
  t.equal(thread.begin(0, 9), true)
})

t.test(
  'after the process has ended, the control thread knows which methods had begun, and revokes the others',
  async (t) => {
    const { control, thread } = log(3)
    for (const slot of [0, 1, 2]) control.hand(slot, slot + 1)
    thread.begin(0, 1)
    control.close()
    t.strictSame(
      [0, 1, 2].map((slot) => control.hasBegun(slot, slot + 1)),
      [true, false, false],
    )
    t.strictSame(
      [0, 1, 2].map((slot) => control.revoke(slot, slot + 1)),
      [false, true, true],
    )
  },
)

t.test('two processes claim the same methods: exactly one of them has each, also when one is killed', async (t) => {
  const rounds = 20_000
  const fds = openLogFiles()
  const control = new SlotLog(fds, { length: rounds, fds: [3, 4] })
  const module = new URL('../../src/protocol/slot-log.js', import.meta.url).href
  const begin = `
    import { ThreadSlotLog } from ${JSON.stringify(module)}
    const thread = new ThreadSlotLog({ length: ${rounds}, fds: [3, 4] })
    process.stdout.write('ready')
    const begun = []
    await new Promise((resolve) => process.stdin.once('data', resolve))
    for (let slot = 0; slot < ${rounds}; slot += 1) if (thread.begin(slot, slot + 1)) begun.push(slot)
    process.stdout.write(JSON.stringify(begun), () => process.kill(process.pid, 'SIGKILL'))`
  for (let slot = 0; slot < rounds; slot += 1) control.hand(slot, slot + 1)
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', begin], {
    stdio: ['pipe', 'pipe', 'inherit', ...fds],
  })
  const closed = once(child, 'close')
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  child.stdin?.write('go')
  const revoked: number[] = []
  // Waits for the other process at each slot, so that both claim the same method at nearly the same time, often.
  for (let slot = 0; slot < rounds; slot += 1) {
    for (let tries = 0; tries < 100 && !control.hasBegun(slot - 1, slot); tries += 1);
    if (control.revoke(slot, slot + 1)) revoked.push(slot)
  }
  await closed
  const begun = JSON.parse(text.slice('ready'.length)) as number[]
  t.strictSame(
    [...begun, ...revoked].sort((a, b) => a - b),
    [...new Array(rounds).keys()],
  )
  control.close()
  t.ok(begun.every((slot) => control.hasBegun(slot, slot + 1)))
})

t.test('the files stay small, also where sequence numbers start again at 1', async (t) => {
  const { control, thread, sizes } = log(2)
  let sequence = MAX_SEQUENCE - 100_000
  let largest = 0
  for (let round = 0; round < 200_000; round += 1) {
    sequence = nextSequence(sequence)
    control.hand(round % 2, sequence)
    if (round % 3 === 0 && !control.revoke(round % 2, sequence)) return t.fail('not revoked')
    if (thread.begin(round % 2, sequence) !== (round % 3 !== 0)) return t.fail(`wrong at ${sequence}`)
    if (round % 3 === 1 && !control.hasBegun(round % 2, sequence)) return t.fail(`not begun at ${sequence}`)
    if (round % 10_000 === 0) largest = Math.max(largest, ...sizes())
  }
  t.ok(largest < 2 ** 20, `${largest} bytes`)
})

t.test('a method that was revoked never begins, however many methods were handed over since', async (t) => {
  const { control, thread } = log(2)
  const blocks = 3 * 2 ** 15
  control.hand(0, 1)
  for (let sequence = 2; sequence < blocks; sequence += 1) {
    control.hand(1, sequence)
    if (!control.revoke(1, sequence)) return t.fail(`${sequence} was not revoked`)
  }
  control.hand(1, blocks)
  t.equal(thread.begin(0, 1), true)
  for (let sequence = 2; sequence < blocks; sequence += 1) {
    if (thread.begin(1, sequence)) return t.fail(`${sequence} has begun`)
  }
  t.equal(thread.begin(1, blocks), true)
  t.equal(control.hasBegun(1, blocks), true)
})
