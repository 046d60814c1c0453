/** The `package.json` of a new project. Its dependencies have the versions that threadplane itself is tested with. */
import { readFileSync } from 'node:fs'
import type { Template } from './templates.ts'

interface OwnPackage {
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
  engines: Record<string, string>
  allowScripts: Record<string, boolean>
}

const SCRIPTS: Record<Template, Record<string, string>> = {
  ts: {
    dev: 'threadplane dev',
    build: `node -e "fs.rmSync('dist', { recursive: true, force: true })" && tsc`,
    prestart: 'npm run build',
    start: 'threadplane serve dist/services',
    test: 'npm run build && node --test dist/test/*.test.js',
  },
  js: {
    dev: 'threadplane dev',
    start: 'threadplane serve services',
    test: 'node --test test/*.test.js',
  },
}

/** Packages for the work on TypeScript. `amaro` is for Node 20 only: newer versions load TypeScript by themselves. */
const TYPESCRIPT = ['@types/node', 'amaro', 'typescript']

/**
 * @param name of the project
 * @param threadplane where npm finds threadplane: a range of versions, or a `file:`
 */
export function packageJson(name: string, template: Template, threadplane: string): string {
  const text = readFileSync(new URL(import.meta.resolve('threadplane/package.json')), 'utf8')
  const { dependencies, devDependencies, engines, allowScripts } = JSON.parse(text) as OwnPackage
  const versions = TYPESCRIPT.map((dependency) => [dependency, devDependencies[dependency]])
  const content = {
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    engines,
    scripts: SCRIPTS[template],
    dependencies: { threadplane, zod: dependencies.zod },
    ...(template === 'ts' && { devDependencies: Object.fromEntries(versions) as Record<string, string> }),
    allowScripts,
  }
  return `${JSON.stringify(content, null, 2)}\n`
}
