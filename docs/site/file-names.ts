/** Shows the name of the file above a block of code that is a file, as in "```ts services/greeter.ts". */
import type { MarkdownRenderer } from 'vitepress'

export function fileNames(markdown: MarkdownRenderer): void {
  const { fence } = markdown.renderer.rules
  markdown.renderer.rules.fence = (tokens, at, options, env, self) => {
    const code = fence?.(tokens, at, options, env, self) ?? ''
    const [, name] = tokens[at]?.info.split(' ') ?? []
    return name === undefined ? code : `<p class="file-name">${markdown.utils.escapeHtml(name)}</p>${code}`
  }
}
