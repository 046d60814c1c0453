/** Checks the finished site: each link in it leads to a file and an anchor, and it loads nothing from another host. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What a browser loads without a click. */
const LOADED =
  /<(?:script|img|source|iframe)\b[^>]*?\bsrc="([^"]+)"|<link\b[^>]*?\bhref="([^"]+)"|\burl\(["']?([^"')]+)/g

/** @throws Error with all that is wrong */
export async function checkSite(site: string): Promise<void> {
  const files = await readdir(site, { recursive: true })
  const pages = new Map<string, string>()
  const wrong: string[] = []
  for (const file of files.filter((name) => /\.(html|css)$/.test(name))) {
    const text = await readFile(join(site, file), 'utf8')
    if (file.endsWith('.html')) pages.set(file, text)
    for (const [, ...found] of text.matchAll(LOADED)) {
      const url = found.find((group) => group !== undefined) ?? ''
      if (/^(https?:)?\/\//.test(url)) wrong.push(`${file} loads ${url}`)
    }
  }
  for (const [page, text] of pages) {
    for (const [, href = ''] of text.matchAll(/<a\b[^>]*?\bhref="([^"]+)"/g)) {
      const { origin, pathname, hash } = new URL(href, `http://site/${page}`)
      if (origin !== 'http://site') continue
      const path = decodeURIComponent(pathname).slice(1)
      const file = path === '' || path.endsWith('/') ? `${path}index.html` : path
      const anchor = decodeURIComponent(hash).slice(1)
      if (!files.includes(file)) wrong.push(`${page} links to ${href}, which does not exist`)
      else if (anchor !== '' && !pages.get(file)?.includes(`id="${anchor}"`)) {
        wrong.push(`${page} links to ${href}, which has no such heading`)
      }
    }
  }
  if (wrong.length > 0) throw new Error([...new Set(wrong)].join('\n'))
}
