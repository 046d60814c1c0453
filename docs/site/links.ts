/**
 * Links as GitHub follows them, in the site: README.md is the page of its folder, headings have the anchors of GitHub, and a
 * link to a file that is no document leads to a copy of the file, as text.
 */
import { copyFileSync, existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MarkdownRenderer } from 'vitepress'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const linkedFiles = new Set<string>()

/** The anchor of a heading, as GitHub makes it. test/documents.test.ts checks links with the same rule. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .trim()
    .replace(/[^\p{L}\p{N}\- _]/gu, '')
    .replaceAll(' ', '-')
}

/** @throws Error if a document links to a file that does not exist */
export function linksOfSite(markdown: MarkdownRenderer): void {
  markdown.core.ruler.push('links-of-site', ({ tokens, env }) => {
    const { realPath, path } = env as { realPath?: string; path: string }
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const href = token.type === 'link_open' ? token.attrGet('href') : null
      if (href !== null && !/^([a-z]+:|#)/.test(href)) token.attrSet('href', inSite(href, realPath ?? path))
    }
  })
}

function inSite(href: string, document: string): string {
  const [path = '', anchor] = href.split('#')
  if (path.endsWith('.md')) return href.replace(/\bREADME\.md/, 'index.md')
  const file = join(dirname(document), path)
  if (!existsSync(file) || !statSync(file).isFile()) {
    throw new Error(`${relative(ROOT, document)} links to ${href}, which is no file`)
  }
  linkedFiles.add(relative(ROOT, file))
  return `${path}.txt${anchor === undefined ? '' : `#${anchor}`}`
}

/** Copies the files that documents link to. A server would send a file of TypeScript as a video, so each is called `.txt`. */
export function copyLinkedFiles(site: string): void {
  for (const file of linkedFiles) {
    const copy = join(site, `${file}.txt`)
    mkdirSync(dirname(copy), { recursive: true })
    copyFileSync(join(ROOT, file), copy)
  }
}
