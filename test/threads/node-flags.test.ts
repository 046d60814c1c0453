import t from 'tap'
import { childFlags, childNodeOptions } from '../../src/threads/node-flags.ts'

t.test('a process inherits all flags, except those that are meant for its parent alone', async (t) => {
  t.strictSame(childFlags(['--import', './hooks.mjs', '--enable-source-maps', '-C', 'development']), [
    '--import',
    './hooks.mjs',
    '--enable-source-maps',
    '-C',
    'development',
  ])
  for (const flags of [
    ['--inspect'],
    ['--inspect-brk=9229'],
    ['--inspect-port', '9229'],
    ['--max-old-space-size=100'],
    ['--max_old_space_size', '100'],
    ['--test'],
    ['--test-reporter', 'spec'],
    ['--watch'],
    ['-e', 'process.exit()'],
    ['-pe', '1'],
    ['--eval', '1'],
    ['--input-type=module'],
  ]) {
    t.strictSame(
      childFlags(['--no-warnings', ...flags, '--expose-gc']),
      ['--no-warnings', '--expose-gc'],
      flags.join(' '),
    )
  }
})

t.test('NODE_OPTIONS is inherited by the same rule, with its quotes', async (t) => {
  t.equal(childNodeOptions(undefined), '')
  t.equal(
    childNodeOptions('--inspect=9229  --require "../service/a file.js" --max-old-space-size=4096 --no-warnings'),
    '--require "../service/a file.js" --no-warnings',
  )
})
