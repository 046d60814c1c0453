/**
 * Renders Markdown as READMEs use it: CommonMark with tables, strikethrough and the harmless part of HTML.
 *
 * Whoever wrote the Markdown is not trusted. Raw HTML is let through the renderer and everything is sanitised after
 * it, so that one list says what may come out, however it was written.
 */
import MarkdownIt from 'markdown-it'
import sanitizeHtml, { type IOptions } from 'sanitize-html'
import { defineService, method } from 'threadplane'
import { z } from 'zod'

const markdownIt = new MarkdownIt({ html: true })

const align = { 'text-align': [/^(left|center|right)$/] }

// Without `id` and `name`: an element named like a global would shadow it in the page.
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
      input: z.object({ markdown: z.string().max(1_000_000) }),
      output: z.object({ html: z.string() }),
      // A README takes milliseconds; a hostile text of nothing but open tags would take a minute.
      timeoutMs: 5_000,
      handler: ({ markdown }) => ({ html: sanitizeHtml(markdownIt.render(markdown), ALLOWED) }),
    }),
  },
})
