/** The registrations of one server: changes name the revision that they start from, and are watched. */
import t from 'tap'
import { RegistrationFile } from '../../src/registry/registration-file.ts'
import { Registrations } from '../../src/registry/registrations.ts'

t.test('a change is written only if nobody else was quicker', async (t) => {
  const folder = t.testdir()
  const file = await RegistrationFile.open(folder)
  const seen: [string, string | undefined][] = []
  file.watch((name, stored) => seen.push([name, stored?.registration.module]))

  t.ok(await file.set('a', { module: 'a.js' }, undefined))
  t.notOk(await file.set('a', { module: 'other.js' }, undefined), 'there is one already')
  const first = (await file.read()).get('a')
  t.match(first, { registration: { module: 'a.js' } })
  const [won, lost] = await Promise.all([
    file.set('a', { module: 'won.js' }, first?.revision),
    file.set('a', { module: 'lost.js' }, first?.revision),
  ])
  t.same([won, lost], [true, false])
  const second = (await file.read()).get('a')
  t.not(second?.revision, first?.revision)
  t.ok(await file.set('a', undefined, second?.revision))
  t.equal((await file.read()).size, 0)
  t.same(seen, [
    ['a', 'a.js'],
    ['a', 'won.js'],
    ['a', undefined],
  ])

  const again = await RegistrationFile.open(folder)
  t.equal((await again.read()).size, 0)
})

t.test('changes that meet each start from what the one before wrote', async (t) => {
  const file = await RegistrationFile.open(t.testdir())
  const registrations = await Registrations.read(file)
  await Promise.all([
    registrations.update('a', (known) => ({ ...known, module: 'a.js' })),
    registrations.update('a', (known) => ({ ...known, desiredState: 'stopped' })),
    registrations.update('a', (known) => ({ ...known, options: { threads: 2 } })),
    registrations.update('__proto__', () => ({ module: 'proto.js' })),
  ])
  t.same(registrations.get('a'), { module: 'a.js', desiredState: 'stopped', options: { threads: 2 } })
  t.same((await file.read()).get('__proto__')?.registration, { module: 'proto.js' })
})

t.test('many changes of one name at the same time are all written, in their order', async (t) => {
  const file = await RegistrationFile.open(t.testdir())
  const registrations = await Registrations.read(file)
  const seen: number[] = []
  file.watch((_name, stored) => seen.push(stored?.registration.options?.threads ?? 0))
  const counts = Array.from({ length: 30 }, (_, index) => index + 1)
  await Promise.all(counts.map((threads) => registrations.update('a', () => ({ options: { threads } }))))
  t.same(seen, counts)
})

t.test('a change that meets a change of another server starts from what that one wrote', async (t) => {
  const file = await RegistrationFile.open(t.testdir())
  const [here, there] = await Promise.all([Registrations.read(file), Registrations.read(file)])
  await Promise.all([
    here.update('a', (known) => ({ ...known, module: 'a.js' })),
    there.update('a', (known) => ({ ...known, desiredState: 'stopped' })),
  ])
  t.same(here.get('a'), { module: 'a.js', desiredState: 'stopped' })
  t.same(there.get('a'), here.get('a'))
})
