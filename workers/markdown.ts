/**
 * Renders Markdown as in READMEs to safe HTML: CommonMark with tables, strikethrough and harmless HTML.
 *
 * The author of the Markdown is not trusted. The renderer passes raw HTML through, and then the whole result is
 * sanitised: so one list decides what may be in it, however it was written.
 */
import MarkdownIt from 'markdown-it'
import sanitizeHtml, { type IOptions } from 'sanitize-html'
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

const markdownIt = new MarkdownIt({ html: true })

const align = { 'text-align': [/^(left|center|right)$/] }

// Without `id` and `name`: an element with the name of a global variable would shadow it in the page.
const ALLOWED: IOptions = {
  allowedTags: [...sanitizeHtml.defaults.allowedTags, 'del', 'details', 'img', 'ins', 'summary'],
  allowedAttributes: {
    a: ['href', 'title'],
    details: ['open'],
    img: ['src', 'alt', 'title', 'width', 'height'],
    ol: ['start'],
    td: ['colspan', 'rowspan', 'style'],
    th: ['colspan', 'rowspan', 'style'],
  },
  allowedClasses: { code: ['language-*'] },
  allowedStyles: { td: align, th: align },
  allowedSchemes: ['http', 'https', 'mailto'],
  allowedSchemesByTag: { img: ['http', 'https'] },
}

export default defineService({
  description: 'Renders Markdown to HTML',
  methods: {
    render: method({
      description: 'CommonMark, tables and strikethrough to sanitised HTML',
      input: z.object({
        markdown: z
          .string()
          .max(1_000_000)
          .meta({ examples: ['# Hello\n\nThis is *Markdown*.'] }),
      }),
      output: z.object({ html: z.string() }),
      // A README takes milliseconds. A hostile text that consists of open tags would take a minute.
      timeoutMs: 5_000,
      handler: ({ markdown }) => ({ html: sanitizeHtml(markdownIt.render(markdown), ALLOWED) }),
    }),
  },
})
