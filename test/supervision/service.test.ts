/** The life cycle of a Service behaves as in mode. Without threads: ServiceThread has tests of its own. */
import t from 'tap'
import { Service } from '../../src/supervision/service.ts'
import { errorOf, reached, RecordingLog } from '../helper.ts'

/** Writes the names of its hooks into a list that several services may share. */
class Told extends Service {
  readonly #told: string[]

  constructor(name: string, told: string[] = [], log = new RecordingLog()) {
    super({ name, log: log.log })
    this.#told = told
  }

  override async onStart() {
    this.#told.push(`${this.name}.onStart`)
  }
  override async onStarted() {
    this.#told.push(`${this.name}.onStarted`)
  }
  override async onStop() {
    this.#told.push(`${this.name}.onStop`)
  }
  override async onShutdown() {
    this.#told.push(`${this.name}.onShutdown`)
  }
  override async onRestart() {
    this.#told.push(`${this.name}.onRestart`)
  }
}

t.test('start() on a started service is ALREADY_STARTED', async (t) => {
  const service = new Told('a')
  await service.start()
  t.match(await errorOf(service.start()), { name: 'ThreadplaneError', code: 'ALREADY_STARTED' })
  t.equal(service.state, 'running', 'and changes nothing')
  const twice = new Told('b')
  const [first, second] = await Promise.allSettled([twice.start(), twice.start()])
  t.equal(first.status, 'fulfilled')
  t.match(second, { status: 'rejected', reason: { code: 'ALREADY_STARTED' } }, 'also while it starts')
})

t.test('maybeStart() is true for the call that started the service: concurrent calls start it once', async (t) => {
  const told: string[] = []
  const service = new Told('a', told)
  t.strictSame(await Promise.all([service.maybeStart(), service.maybeStart(), service.maybeStart()]), [
    true,
    false,
    false,
  ])
  t.equal(await service.maybeStart(), false)
  t.strictSame(told, ['a.onStart', 'a.onStarted'])
})

t.test('maybeStart() during a stop starts the service once, after the stop', async (t) => {
  const told: string[] = []
  const service = new Told('a', told)
  await service.start()
  told.length = 0
  const stopped = service.stop()
  const started = await Promise.all([service.maybeStart(), service.maybeStart()])
  await stopped
  t.strictSame(started.sort(), [false, true])
  t.strictSame(told, ['a.onStop', 'a.onShutdown', 'a.onStart', 'a.onStarted'])
})

t.test('children start in order after onStart, and stop in reverse order between onStop and onShutdown', async (t) => {
  const told: string[] = []
  const parent = new Told('parent', told)
  parent.addDependency(new Told('one', told))
  parent.addDependency(new Told('two', told))
  await parent.start()
  t.strictSame(told.splice(0), [
    'parent.onStart',
    'one.onStart',
    'one.onStarted',
    'two.onStart',
    'two.onStarted',
    'parent.onStarted',
  ])
  await parent.stop()
  t.strictSame(told, [
    'parent.onStop',
    'two.onStop',
    'two.onShutdown',
    'one.onStop',
    'one.onShutdown',
    'parent.onShutdown',
  ])
})

t.test('stop() may be called again, and acts on a started service only', async (t) => {
  const told: string[] = []
  const service = new Told('a', told)
  await service.stop()
  t.strictSame(told, [], 'nothing to stop')
  await service.start()
  told.length = 0
  await Promise.all([service.stop(), service.stop()])
  await service.stop()
  t.strictSame(told, ['a.onStop', 'a.onShutdown'])
  t.equal(service.state, 'stopped')
})

t.test('an error in onStop rejects stop(), and service and children are stopped nevertheless', async (t) => {
  const told: string[] = []
  class Failing extends Told {
    override async onStop() {
      throw new Error('cannot stop')
    }
    protected override async shutDown() {
      told.push('shutDown')
    }
  }
  const parent = new Failing('parent', told)
  const child = parent.addDependency(new Told('child', told))
  await parent.start()
  t.match(await errorOf(parent.stop()), { message: 'cannot stop' })
  t.equal(parent.state, 'stopped')
  t.equal(child.state, 'stopped')
  t.ok(told.includes('shutDown'), 'what it ran is ended')
})

t.test('an error while a child stops is logged, and the others are stopped', async (t) => {
  const log = new RecordingLog()
  class Failing extends Told {
    override async onStop() {
      throw new Error('cannot stop')
    }
  }
  const parent = new Told('parent', [], log)
  const first = parent.addDependency(new Told('first'))
  parent.addDependency(new Failing('failing'))
  await parent.start()
  await parent.stop()
  t.equal(first.state, 'stopped')
  t.match(await log.line('error while stopping a child'), { level: 'error', fields: { service: 'failing' } })
})

t.test('an error in a hook of the start rejects start(), crashes the service and its children', async (t) => {
  class Failing extends Told {
    override async onStarted() {
      throw new TypeError('not today')
    }
  }
  const parent = new Failing('parent')
  const child = parent.addDependency(new Told('child'))
  t.match(await errorOf(parent.start()), { name: 'TypeError', message: 'not today' })
  t.equal(parent.state, 'crashed')
  t.equal(parent.crashReason?.message, 'not today')
  t.equal(child.state, 'crashed')
})

t.test('an error of a child at start rejects the start of its parent', async (t) => {
  class Failing extends Told {
    override async onStart() {
      throw new Error('child failed')
    }
  }
  const parent = new Told('parent')
  parent.addDependency(new Failing('child'))
  t.match(await errorOf(parent.start()), { message: 'child failed' })
  t.equal(parent.state, 'crashed')
})

t.test('stop() while it starts ends the start with CONFLICT', async (t) => {
  const told: string[] = []
  const service = new Told('a', told)
  const started = errorOf(service.start())
  await service.stop()
  t.match(await started, { code: 'CONFLICT' })
  t.notOk(told.includes('a.onStarted'))
  t.equal(service.state, 'stopped')
})

t.test('crash(reason) marks the service and all its children crashed with crashReason', async (t) => {
  const reason = new Error('broken')
  const service = new Told('service')
  const child = service.addDependency(new Told('child'))
  const grandchild = child.addDependency(new Told('grandchild'))
  await service.start()
  service.crash(reason)
  for (const crashed of [service, child, grandchild]) {
    t.equal(crashed.state, 'crashed')
    t.equal(crashed.crashReason, reason)
  }
})

t.test('crash(reason) without a supervisor reaches parents and root, and their other children', async (t) => {
  const reason = new Error('broken')
  const root = new Told('root')
  const parent = root.addDependency(new Told('parent'))
  const uncle = root.addDependency(new Told('uncle'))
  const child = parent.addDependency(new Told('child'))
  await root.start()
  child.crash(reason)
  for (const crashed of [root, parent, uncle, child]) t.equal(crashed.crashReason, reason, crashed.name)
})

t.test('onCrash logs the message and the error at fatal, once a crash', async (t) => {
  const log = new RecordingLog()
  const service = new Told('a', [], log)
  await service.start()
  const reason = new Error('broken')
  service.crash(reason)
  service.crash(new Error('again'))
  t.match(log.lines, [{ level: 'fatal', message: 'a crashed', fields: { err: reason, service: 'a' } }])
  t.equal(log.lines.length, 1)
})

t.test('a crash during a stop does not undo the stop, and wakes no supervisor', async (t) => {
  const woken: string[] = []
  class Dying extends Told {
    override async onStop() {
      this.crash(new Error('on its last legs'))
    }
  }
  const service = new Dying('a')
  const budget = { started: () => {} }
  service.supervisor = {
    wakeup: () => woken.push('woken'),
    forget: () => {},
    recoveryOf: () => undefined,
    budget,
  } as never
  await service.start()
  await service.stop()
  t.equal(service.state, 'stopped')
  t.strictSame(woken, [])
})

t.test('restart() is stop, reset, onRestart, start, and restartCount grows', async (t) => {
  const told: string[] = []
  const parent = new Told('parent', told)
  const child = parent.addDependency(new Told('child', told))
  await parent.start()
  told.length = 0
  await parent.restart()
  t.strictSame(
    told.filter((hook) => hook.startsWith('parent')),
    ['parent.onStop', 'parent.onShutdown', 'parent.onRestart', 'parent.onStart', 'parent.onStarted'],
  )
  t.equal(parent.restartCount, 1)
  t.equal(child.restartCount, 1, 'as does that of its children')
  await parent.restart()
  t.equal(parent.restartCount, 2)
})

t.test('restart() of a crashed service forgets crashReason with the successful start', async (t) => {
  const service = new Told('a')
  await service.start()
  service.crash(new Error('broken'))
  await service.restart()
  t.equal(service.state, 'running')
  t.equal(service.crashReason, undefined)
  t.equal(service.crashed, false)
})

t.test('addDependency: started and stopped with the parent, not before', async (t) => {
  const parent = new Told('parent')
  await parent.start()
  const child = parent.addDependency(new Told('child'))
  t.equal(child.state, 'stopped')
  t.equal(child.parent, parent)
  await parent.restart()
  t.equal(child.state, 'running')
})

t.test('addRuntimeDependency: started now if the parent is', async (t) => {
  const parent = new Told('parent')
  const early = await parent.addRuntimeDependency(new Told('early'))
  t.equal(early.state, 'stopped')
  await parent.start()
  const late = await parent.addRuntimeDependency(new Told('late'))
  t.equal(early.state, 'running')
  t.equal(late.state, 'running')
})

t.test('removeDependency: stopped, forgotten, and its crash no longer reaches the parent', async (t) => {
  const parent = new Told('parent')
  const child = parent.addDependency(new Told('child'))
  await parent.start()
  await parent.removeDependency(child)
  t.equal(child.state, 'stopped')
  t.equal(child.parent, undefined)
  t.strictSame(parent.children, [])
  await child.start()
  child.crash(new Error('far away'))
  t.equal(parent.state, 'running')
})

t.test('a listener of the state may call start or stop again: it joins the one under way', async (t) => {
  const told: string[] = []
  const service = new Told('a', told)
  const joined: Promise<unknown>[] = []
  service.on('state', (state) => {
    if (state === 'starting') joined.push(service.maybeStart())
    if (state === 'stopping') joined.push(service.stop().then(() => service.state))
  })
  await service.start()
  await service.stop()
  await reached(service, 'stopped')
  t.strictSame(await Promise.all(joined), [false, 'stopped'])
  t.strictSame(told, ['a.onStart', 'a.onStarted', 'a.onStop', 'a.onShutdown'])
})
