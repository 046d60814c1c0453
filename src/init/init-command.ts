/** `threadplane init`: makes a project with a first service, its test, and a container image. It overwrites nothing. */
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { parseArgs } from 'node:util'
import { ownPackage } from './own-package.ts'
import { packageJson } from './package-json.ts'
import { type Template, TEMPLATES, templateFiles } from './templates.ts'

const USAGE = `threadplane init [folder]: make a project with a first service, its test, and a container image

  The folder is made if it is missing; default: this one. No file that is there is changed.
      --template ts   TypeScript, or js for JavaScript; default: ts
  -y, --yes           do not ask
  -h, --help          show this text`

/**
 * Resolves with 0, with 1 if files of the project are there already, or with 2 after a wrong command line.
 * @throws Error if a file cannot be written
 */
export async function initCommand(args: string[]): Promise<number> {
  const options = {
    help: { type: 'boolean', short: 'h' },
    template: { type: 'string' },
    yes: { type: 'boolean', short: 'y' },
  } as const
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  if (positionals.length > 1) {
    console.error(USAGE)
    return 2
  }
  const asked = values.template ?? (values.yes || !process.stdin.isTTY ? 'ts' : await ask())
  const template = TEMPLATES.find((one) => one === asked)
  if (template === undefined) {
    console.error(`threadplane: there is no template ${JSON.stringify(asked)}; there are: ${TEMPLATES.join(', ')}`)
    return 2
  }
  return makeProject(resolve(positionals[0] ?? '.'), template)
}

async function ask(): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return (await terminal.question('TypeScript or JavaScript? [ts] ')).trim() || 'ts'
  } finally {
    terminal.close()
  }
}

async function makeProject(folder: string, template: Template): Promise<number> {
  const name = projectName(folder)
  const { dependency, file, copyTo } = await ownPackage()
  const files = templateFiles(template, name)
  files.set('package.json', packageJson(name, template, dependency))
  const present = [...files.keys(), ...(file === undefined ? [] : [file])].filter((path) =>
    existsSync(join(folder, path)),
  )
  if (present.length > 0) {
    console.error(`threadplane: nothing was changed: ${folder} has ${present.sort().join(', ')} already`)
    return 1
  }
  await mkdir(folder, { recursive: true })
  await copyTo(folder)
  for (const [path, text] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text, { flag: 'wx' })
  }
  console.log(`${name} is made, with ${[...files.keys()].sort().join(', ')}\n\nNext:\n`)
  const there = relative(process.cwd(), folder)
  console.log(
    `  ${there === '' ? '' : `cd ${there} && `}npm install\n  npx threadplane dev\n\nnpm test runs its tests.`,
  )
  return 0
}

/** A name that npm and Docker accept. */
function projectName(folder: string): string {
  const name = basename(folder)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
  return name || 'services'
}
