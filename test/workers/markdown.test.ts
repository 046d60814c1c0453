/** The bundled service module `markdown`: what is rendered, and what is removed because it could attack a page. */
import t from 'tap'
import markdown from '../../workers/markdown.ts'
import { issuesOf, runMethod } from './run-method.ts'

const { render } = markdown.methods
const htmlOf = async (text: string) => (await runMethod(render, { markdown: text })).html

t.test('CommonMark becomes HTML', async (t) => {
  t.equal(await htmlOf('# hi'), '<h1>hi</h1>\n')
  t.equal(await htmlOf('*a* **b** `c`'), '<p><em>a</em> <strong>b</strong> <code>c</code></p>\n')
  t.equal(await htmlOf('3. c\n4. d'), '<ol start="3">\n<li>c</li>\n<li>d</li>\n</ol>\n')
  t.equal(await htmlOf(''), '')
})

t.test('tables and strikethrough are rendered', async (t) => {
  const html = await htmlOf('| a | b |\n| :-- | --: |\n| 1 | ~~2~~ |')
  t.match(html, '<th style="text-align:left">a</th>')
  t.match(html, '<td style="text-align:right"><s>2</s></td>')
})

t.test('a code block keeps the class of its language, and no other class', async (t) => {
  t.equal(await htmlOf('```ts\na < b\n```'), '<pre><code class="language-ts">a &lt; b\n</code></pre>\n')
  t.equal(await htmlOf('<code class="admin language-js">x</code>'), '<p><code class="language-js">x</code></p>\n')
})

t.test('images and links keep http, https and relative addresses', async (t) => {
  t.equal(
    await htmlOf('![a](https://example.com/a.png "t")'),
    '<p><img src="https://example.com/a.png" alt="a" title="t" /></p>\n',
  )
  t.match(await htmlOf('![a](docs/a.png)'), 'src="docs/a.png"')
  t.match(await htmlOf('<img src="http://example.com/a.png" width="9">'), 'src="http://example.com/a.png" width="9"')
  t.match(await htmlOf('[a](../README.md#b)'), '<a href="../README.md#b">a</a>')
  t.match(await htmlOf('<me@example.com>'), 'href="mailto:me@example.com"')
})

t.test('harmless HTML in Markdown is kept', async (t) => {
  const html = await htmlOf('<details open><summary>More</summary>\n\n- a\n\n</details>')
  t.match(html, '<details open')
  t.match(html, '<summary>More</summary>')
  t.match(html, '<li>a</li>')
})

const attacks = {
  'a script element': '<script>alert(1)</script>',
  'a script inside a nested one': '<scr<script>ipt>alert(1)</scr</script>ipt>',
  'an event handler': '<img src=x onerror=alert(1)>',
  'an event handler after a slash': '<svg/onload=alert(1)>',
  'an event handler in upper case': '<IMG SRC=x ONERROR=alert(1)>',
  'a javascript link': '[x](javascript:alert(1))',
  'a javascript link in HTML': '<a href="javascript:alert(1)">x</a>',
  'a javascript link in mixed case with a tab': '<a href="jAva\tscript:alert(1)">x</a>',
  'a javascript link with a character reference': '<a href="&#106;avascript:alert(1)">x</a>',
  'a javascript link behind control characters': '<a href="\u0001javascript:alert(1)">x</a>',
  'a javascript link by reference': '[x][1]\n\n[1]: javascript:alert(1)',
  'an autolink': '<javascript:alert(1)>',
  'a vbscript link': '<a href="vbscript:msgbox(1)">x</a>',
  'a data document': '<a href="data:text/html,<script>alert(1)</script>">x</a>',
  'a data image': '![x](data:image/svg+xml;base64,PHN2Zy8+)',
  'a data image that is no vector': '![x](data:image/png;base64,iVBORw0KGgo=)',
  'a data image in HTML': '<img src="data:image/svg+xml,<svg onload=alert(1)>">',
  'an inline frame': '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  'an object': '<object data="javascript:alert(1)"></object><embed src="javascript:alert(1)">',
  'a form': '<form action="javascript:alert(1)"><button formaction="javascript:alert(1)">x</button></form>',
  'a style element': '<style>@import "javascript:alert(1)"</style>',
  'a style attribute': '<p style="background:url(javascript:alert(1))">x</p>',
  'a style beside an allowed one': '<td style="text-align:left;background:url(javascript:alert(1))">x</td>',
  'a base address': '<base href="javascript:alert(1)//">',
  'a refresh': '<meta http-equiv="refresh" content="0;url=javascript:alert(1)">',
  'a script in foreign content':
    '<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>',
  'a script in a comment': '<!--><script>alert(1)</script>-->',
  'an attribute that ends its fence': '```"><script>alert(1)</script>\nx\n```',
  'a title that ends its attribute': '![x](a.png "\\"onerror=alert(1) x=\\"")',
  'an alternative text that ends its attribute': '![" onerror="alert(1)](a.png)',
  'an element that shadows a global': '<a id="location" name="location">x</a>',
}

for (const [name, attack] of Object.entries(attacks)) {
  t.test(`${name} is made harmless`, async (t) => {
    const html = await htmlOf(attack)
    // Text is escaped, so it is harmless whatever it contains: only tags are checked.
    for (const tag of html.match(/<[^>]*>/g) ?? []) {
      t.notMatch(tag, /^<\/?(script|style|iframe|object|embed|form|button|base|meta|svg|math|link)\b/i)
      t.notMatch(tag, /(href|src)="\s*(javascript|vbscript|data):|url\(/i)
      t.notMatch(tag.replace(/"[^"]*"/g, '""'), /\s(on\w+|id|name|srcdoc|formaction)\s*=/i)
    }
    t.notMatch(html, '<!--')
  })
}

t.test('a text of more than a million characters is refused', async (t) => {
  t.same(issuesOf(render, { markdown: 'a'.repeat(1_000_000) }), [])
  t.match(issuesOf(render, { markdown: 'a'.repeat(1_000_001) }), [{ path: 'markdown' }])
})
