/** What is read of `threadplane.json`, and where a fault is. */
import { join } from 'node:path'
import t from 'tap'
import { ModulesFolder } from '../../src/registry/modules-folder.ts'
import { readDeclared } from '../../src/registry/declared-services.ts'
import { RecordingLog } from '../helper.ts'

const folderOf = (file: unknown, files: Record<string, string> = {}) =>
  t.testdir({ ...files, 'threadplane.json': typeof file === 'string' ? file : JSON.stringify(file) })

t.test('a folder without the file declares nothing', async (t) => {
  t.equal((await readDeclared(t.testdir({}))).size, 0)
  t.equal((await readDeclared('/nowhere/at/all')).size, 0)
})

t.test('options, config and env are those of a registration; a schedule has defaults', async (t) => {
  const declared = await readDeclared(
    folderOf({
      $schema: './node_modules/threadplane/openapi/threadplane.schema.json',
      services: {
        mail: {
          module: './mailer.js',
          options: { threads: 2 },
          config: { host: 'a' },
          env: ['SMTP_PASSWORD'],
          schedules: { nightly: { cron: '0 3 * * *', method: 'send' } },
        },
        plain: {},
      },
    }),
  )
  t.same(declared.get('mail'), {
    module: 'mailer.js',
    options: { threads: 2, config: { host: 'a' }, env: ['SMTP_PASSWORD'] },
    schedules: new Map([['nightly', { cron: '0 3 * * *', timezone: 'UTC', method: 'send', payload: {} }]]),
  })
  t.same(declared.get('plain'), { module: undefined, options: {}, schedules: new Map() })
})

t.test('a fault names the file, the key, and what was expected', async (t) => {
  const cases: [file: unknown, message: RegExp][] = [
    ['{\n  "services": {}\n}}', /threadplane\.json cannot be used: it is not JSON: .*at line 3, column 2/],
    ['{ "services": }', /it is not JSON: .*services/],
    ['', /it is not JSON/],
    [[], /expected object, received array/],
    [{}, /: services: .*expected record/],
    [{ services: {}, service: {} }, /: service: expected only the keys \$schema, services/],
    [{ services: { a: { modul: 'a.js' } } }, /: services\.a\.modul: expected only the keys module, options, config/],
    [{ services: { a: { options: { threads: 0 } } } }, /: services\.a\.options\.threads: .*>=1/],
    [{ services: { a: { options: { config: {} } } } }, /: services\.a\.options\.config: Unrecognized key/],
    [{ services: { a: { env: ['A=1'] } } }, /: services\.a\.env\.0: /],
    [{ services: { a: { env: 'A' }, b: { config: 5 } } }, /services\.a\.env: .*; services\.b\.config: /],
    [{ services: { 'a b': {} } }, /: services\.a b: a name must match /],
    ['{ "services": { "__proto__": {} } }', /: services\.__proto__: .*cannot have this name/],
    [{ services: { a: { schedules: { s: { method: 'm' } } } } }, /: services\.a\.schedules\.s\.cron: /],
    [`{"services":{}}${' '.repeat(1024 * 1024)}`, /is larger than 1048576 bytes/],
  ]
  for (const [file, message] of cases) await t.rejects(readDeclared(folderOf(file)), { message })
})

t.test('a module that the file names is a service by the names of the file alone', async (t) => {
  const log = new RecordingLog()
  const services = { one: { module: './tool.js' }, two: { module: 'tool.js' }, own: {}, taken: { module: 'tool.js' } }
  const path = folderOf({ services }, { 'tool.js': '', 'own.mjs': '', 'other.cjs': '', 'taken.js': '' })
  const folder = new ModulesFolder(path, await readDeclared(path))
  t.same(
    await folder.services(log.log),
    new Map([
      ['one', 'tool.js'],
      ['other', 'other.cjs'],
      ['own', 'own.mjs'],
      ['taken', 'tool.js'],
      ['two', 'tool.js'],
    ]),
  )
  t.match(log.lines, [{ fields: { module: 'taken.js' }, message: 'no service: tool.js has that name' }])
  t.equal(folder.fileOf('tool'), undefined)
  t.equal(folder.fileOf('own'), 'own.mjs')
  t.equal(folder.fileOf('two'), 'tool.js')
})

t.test('a declared module that is not there, or cannot be one, is a fault of the file', async (t) => {
  for (const [service, message] of [
    [{}, /: services\.a: there is none of the files a\.js, .*name a "module"/],
    [{ module: 'gone.js' }, /: services\.a\.module: module "gone\.js" does not exist/],
    [{ module: '../outside.js' }, /: services\.a\.module: .* is outside the workers folder/],
    [{ module: 'notes.txt' }, /: services\.a\.module: .* is not a \.js/],
  ] as const) {
    const path = folderOf({ services: { a: service } })
    const folder = new ModulesFolder(join(path, '.'), await readDeclared(path))
    await t.rejects(folder.services(new RecordingLog().log), { message })
  }
})
