/**
 * The site of the documents: README is its home, and every other document has the path that it has in the repository. A link
 * to a document or a heading that does not exist fails the build. Nothing is loaded from other hosts: the index of the search is a
 * file of the site, and the fonts are those of the reader's system.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitepress'
import { checkSite } from '../check-site.ts'
import { fileNames } from '../file-names.ts'
import { anchorOf, copyLinkedFiles, linksOfSite } from '../links.ts'
import { sections } from '../navigation.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const { description, version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as Record<string, string>
const icon = readFileSync(`${ROOT}dashboard/public/icon.svg`, 'utf8')
const iconUrl = `data:image/svg+xml,${encodeURIComponent(icon)}`

/**
 * What renders the pages is a file of this package, which has Vue. Vite looks for Vue where the documents are, outside of it.
 */
const vueOfThisPackage: Plugin = {
  name: 'vue-of-this-package',
  enforce: 'pre',
  resolveId: (id, _importer, { ssr }) => (ssr && /^vue($|\/)/.test(id) ? { id, external: true } : null),
}

export default defineConfig({
  title: 'threadplane',
  description: description ?? '',
  lang: 'en',
  head: [['link', { rel: 'icon', href: iconUrl }]],
  srcDir: ROOT,
  outDir: `${ROOT}dist/site`,
  cacheDir: fileURLToPath(new URL('../node_modules/.cache', import.meta.url)),
  srcExclude: ['{src,deploy,.tap,.git}/**', 'test/!(sdk)/**', 'test/sdk/*/**', 'docs/site/**', 'bench/*/**'],
  rewrites: (file) => file.replace(/README\.md$/, 'index.md'),
  themeConfig: {
    logo: iconUrl,
    nav: [
      { text: 'Tutorial', link: '/docs/tutorial' },
      { text: 'Documents', link: '/docs/' },
      { text: `${version}`, link: '/CHANGELOG' },
    ],
    sidebar: sections(),
    outline: [2, 3],
    search: { provider: 'local' },
  },
  markdown: {
    anchor: { slugify: anchorOf },
    config: (markdown) => {
      linksOfSite(markdown)
      fileNames(markdown)
    },
  },
  vite: { plugins: [vueOfThisPackage] },
  transformPageData(page) {
    if (page.filePath !== 'README.md') return
    page.title = 'threadplane'
    page.titleTemplate = ':title'
    page.frontmatter = {
      layout: 'home',
      hero: {
        name: 'threadplane',
        text: 'Worker threads as supervised services',
        actions: [
          { text: 'Start', link: '#start' },
          { text: 'Tutorial', link: '/docs/tutorial', theme: 'alt' },
          { text: 'All documents', link: '/docs/', theme: 'alt' },
        ],
      },
    }
  },
  async buildEnd({ outDir }) {
    copyLinkedFiles(outDir)
    await checkSite(outDir)
  },
})
