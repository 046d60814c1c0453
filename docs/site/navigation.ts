/** The side bar of the site. Its order is the order of docs/README.md, which is the index of all documents. */
import { readFileSync } from 'node:fs'

export interface Section {
  text: string
  items: { text: string; link: string }[]
}

const ROOT = new URL('../../', import.meta.url)
const OF_THE_PROJECT = ['CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'bench/README.md', 'test/sdk/README.md']

/** One section for each heading of the index, with the links below the heading. What is above the first heading has none. */
export function sections(): Section[] {
  const [start = '', ...rest] = read('docs/README.md').split(/^## /m)
  const index = [`Start\n${start}`, ...rest].map((section) => ({
    text: section.slice(0, section.indexOf('\n')),
    items: Array.from(section.matchAll(/\]\(([^)#]+\.md)\)/g), ([, file = '']) => item(`docs/${file}`)),
  }))
  return [...index, { text: 'Project', items: OF_THE_PROJECT.map(item) }]
}

/** A document is called what its first line says. */
function item(file: string): { text: string; link: string } {
  const [, text = file] = /^# (.*)$/m.exec(read(file)) ?? []
  return { text: text.replaceAll('`', ''), link: `/${file.replace(/README\.md$/, '')}` }
}

function read(file: string): string {
  return readFileSync(new URL(file, ROOT), 'utf8')
}
