/** The code blocks of a document, for tests that do what the document says. */

export interface Block {
  /** Such as `sh`; empty for output and drawings. */
  language: string
  /** The file that the block is, as in "```js services/lines.mjs". */
  file: string | undefined
  text: string
  /** Of a block of commands: the block that follows it at once and shows what they print. */
  output: string | undefined
  line: number
}

export function blocksOf(document: string): Block[] {
  const found = document.matchAll(/^```(\w*)(?: (\S+))?\n([^]*?)^```\n(?=(?:\n```\n([^]*?)^```$)?)/gm)
  return Array.from(found, ({ 1: language = '', 2: file, 3: text = '', 4: output, index }) => ({
    language,
    file,
    text,
    output: language === 'sh' ? output : undefined,
    line: document.slice(0, index).split('\n').length,
  }))
}

/** Does a text look as a document shows it? A `…` there stands for anything. */
export function looksLike(shown: string, text: string): boolean {
  const parts = shown.trimEnd().split('…')
  const escaped = parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${escaped.join('[^]*?')}$`).test(text.trimEnd())
}
