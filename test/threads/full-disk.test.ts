/** A method that cannot be noted as begun, as the disk is full, waits and runs once there is room. */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { defineService, method } from 'threadplane'
import t from 'tap'
import { MessageBatcher } from '../../src/async/message-batcher.ts'
import { describeService } from '../../src/module/describe-service.ts'
import { SlotLog } from '../../src/protocol/slot-log.ts'
import { openLogFiles } from '../../src/threads/slot-log-files.ts'
import type { ThreadMessage } from '../../src/protocol/messages.ts'
import { MethodRunner } from '../../src/runtime/method-runner.ts'
import { ThreadLogger } from '../../src/runtime/thread-logger.ts'
import { Deferred } from '../../src/async/deferred.ts'
import { within } from '../helper.ts'

t.test('a full disk delays methods, and loses none', async (t) => {
  const fds = openLogFiles()
  const slots = new SlotLog(fds, { length: 2, fds })
  t.teardown(() => slots.close())
  const ended = new Deferred<unknown>()
  const told = new Deferred<string>()
  const batcher = new MessageBatcher<ThreadMessage>(
    (messages) => {
      for (const message of messages) {
        if (message.type === 'result') ended.resolve(message.value)
        if (message.type === 'log') told.resolve(message.message)
      }
    },
    () => {},
  )
  const definition = defineService({ methods: { go: method({ handler: () => 'went' }) } })
  const logger = new ThreadLogger(batcher, (error) => ended.reject(error as Error))
  const runner = new MethodRunner(definition, describeService(definition), batcher, logger)
  const started = { numWorkers: 1, maxResultBytes: 1_000, slots: slots.shared, beatEveryMs: 500, restarted: false }
  runner.start({ type: 'start', ...started }, { state: undefined, config: undefined })

  const { writeSync } = fs
  const restore = () => {
    fs.writeSync = writeSync
    syncBuiltinESMExports()
  }
  t.teardown(restore)
  fs.writeSync = () => {
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  }
  syncBuiltinESMExports()
  slots.hand(0, 1)
  const job = { id: 'job', attempt: 1 }
  runner.enqueue({ type: 'run', slot: 0, sequence: 1, method: 'go', payload: 'null', format: 'json', job } as never)
  runner.turn()
  t.match(await within(told.promise, 'the line of the log'), /no method can begin now.*ENOSPC/)
  t.equal(slots.hasBegun(0, 1), false)
  restore()
  t.equal(await within(ended.promise, 'the result'), '"went"')
  t.equal(slots.hasBegun(0, 1), true)
})
