/** The commands of docs/tutorial.md, pasted one after the other into one shell, do what it says. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { freePort } from '../free-port.ts'
import { within } from '../http-helper.ts'
import { blocksOf } from '../markdown-blocks.ts'
import { Process } from '../process-helper.ts'
import { installPacked, MAIN, projectsFolder } from './project.ts'

/** Long: `npm test` compiles, on a machine that may be busy. */
const DEADLINE_MS = 120_000
const END = 'end of the block'

const port = await freePort()
const document = readFileSync('docs/tutorial.md', 'utf8').replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
const blocks = blocksOf(document).filter(({ language }) => language === 'sh')

const parent = projectsFolder(t)
const project = join(parent, 'my-plane')

const shell = spawn('bash', [], { cwd: parent, env: { PATH: process.env.PATH }, stdio: ['pipe', 'pipe', 'inherit'] })
t.teardown(() => shell.kill())
shell.stdout.setEncoding('utf8')

/** What the shell prints for a block. */
async function paste(commands: string): Promise<string> {
  let output = ''
  const printed = new Promise<void>((resolve) => {
    const read = (text: string) => {
      output += text
      if (!output.endsWith(`${END}\n`)) return
      shell.stdout.off('data', read)
      resolve()
    }
    shell.stdout.on('data', read)
  })
  shell.stdin.write(`${commands}\necho; echo '${END}'\n`)
  await within(printed, commands, DEADLINE_MS)
  return output.slice(0, -END.length - 2)
}

t.test('a reader who pastes the blocks of the tutorial sees what it shows', async (t) => {
  let dev: Process | undefined
  /** What `dev` prints after a block that edits a service. */
  const reloads = [/↻ hello .*\n {11}greet: input \+ loud\?: boolean\n/, /\+ report .* running/, /↻ report /]
  for (const { text: commands, output } of blocks) {
    const [command = ''] = commands.trim().split('\n')
    if (command.startsWith('docker')) continue
    else if (command === 'npx threadplane init my-plane') {
      t.match(await paste(commands.replace('npx threadplane', `${process.execPath} ${MAIN}`)), /^my-plane is made/)
    } else if (command === 'cd my-plane && npm install') {
      await installPacked(project)
      await paste('cd my-plane')
    } else if (command === 'npx threadplane dev') {
      dev = new Process(t, project, ['dev'], { THREADPLANE_PORT: String(port) })
      await dev.prints(/is watched/)
    } else if (command.startsWith('cat >') || command.startsWith('node -e')) {
      await paste(commands)
      await dev?.prints(reloads.shift() ?? /nothing more is edited/)
    } else if (command === 'npm test') {
      t.match(await paste(commands), /[#ℹ] pass 2\n[#ℹ] fail 0/)
    } else if (command.startsWith('JOB=') && output?.includes('"running"')) {
      // How far the job is depends on the machine.
      t.match(await paste(commands), /^\{"state":"(running|queued|succeeded)","progress":/)
    } else {
      if (output === undefined) t.fail(`no output is shown for ${command}`)
      t.equal(`${(await paste(commands)).trimEnd()}\n`, output, command)
    }
  }
  t.strictSame(reloads, [], 'every edit was seen')
})
