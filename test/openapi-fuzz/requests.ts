/** Random requests of one operation: valid by the document, valid with one change, and nonsense. */
import fc, { type Arbitrary } from 'fast-check'
import type { Operation, Parameter } from './contract.ts'
import { mutated, odd, unit, type Values } from './values.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'PURGE']
const CONTENT_TYPES = [
  'application/json; charset=utf-8',
  'application/json;charset=latin1',
  'application/vnd.api+json',
  'Application/JSON',
  'application/x-ndjson',
  'application/jsonx',
  'text/plain',
  'multipart/form-data; boundary=a',
  'application/x-www-form-urlencoded',
  'nonsense',
  '/',
]
const RAW_BODIES = [
  '',
  ' ',
  '\ufeff{}',
  '{',
  '{"a":1,}',
  '"\\ud800"',
  '{"a":1,"a":2}',
  '{"__proto__":{"a":1}}',
  '{"constructor":{"prototype":{"a":1}}}',
  '{"\\u005f_proto__":1}',
  '{}\n{}\n\nnonsense\n[1]',
  'NaN',
  '1e999',
  `${'['.repeat(100_000)}`,
  `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
  `"${'x'.repeat(250_000)}"`,
  '\n'.repeat(20_000),
  '1\n'.repeat(11_000),
]
const ODD_HEADERS: [string, string][] = [
  ['accept', 'image/png'],
  ['accept-encoding', 'br;q=0'],
  ['content-encoding', 'gzip'],
  ['expect', '100-continue'],
  ['expect', 'a miracle'],
  ['x-http-method-override', 'DELETE'],
  ['if-none-match', '*'],
  ['range', 'bytes=0-0'],
  ['upgrade', 'websocket'],
  ['origin', 'http://example.com'],
  ['sec-fetch-site', 'cross-site'],
  ['host', 'example.com'],
  ['cookie', 'a=b'],
]

/** How a request was made: from the schemas, from the schemas with one change in the body, or from neither. */
export type Kind = 'valid' | 'mutated' | 'nonsense'

interface Body {
  kind: Kind
  text: string | undefined
}

type Headers = Record<string, string | undefined>

export class FuzzRequest {
  readonly kind: Kind
  readonly method: string
  readonly url: string
  readonly headers: Headers
  readonly body: string | undefined

  constructor(kind: Kind, method: string, url: string, headers: Headers, body: string | undefined) {
    this.kind = kind
    this.method = method
    this.url = url
    this.headers = headers
    this.body = body
  }

  [fc.toStringMethod](): string {
    const { method, url, headers, body } = this
    return `${method} ${shorten(url)} ${shorten(JSON.stringify(headers))} ${body === undefined ? '' : shorten(JSON.stringify(body))}`
  }
}

export function shorten(text: string): string {
  return text.length <= 1_000 ? text : `${text.slice(0, 1_000)}… (${text.length})`
}

/** @param knownService one in this many requests names a service that exists; with 1, almost all do */
export function requestsOf(
  method: string,
  path: string,
  { parameters = [], requestBody }: Operation,
  values: Values,
  knownService: number,
): Arbitrary<FuzzRequest> {
  const among = (place: Parameter['in']) => parameters.filter((parameter) => parameter.in === place)
  const methods = fc.oneof({ weight: 30, arbitrary: fc.constant(method) }, fc.constantFrom(...METHODS))
  const segments = Object.fromEntries(among('path').map((one) => [one.name, segment(one, values, knownService)]))
  const json = requestBody?.content['application/json']?.schema
  const body = json === undefined ? fc.constant(NO_BODY) : bodies(values.named(' body', json))
  return fc
    .record({
      method: methods,
      segments: fc.record(segments, { noNullPrototype: true }),
      query: query(among('query'), values),
      headers: headers(among('header'), values),
      body: fc.oneof({ weight: 20, arbitrary: body }, oddBodies, fc.constant(NO_BODY)),
      type: fc.oneof({ weight: 12, arbitrary: fc.constant('application/json') }, fc.constantFrom(...CONTENT_TYPES)),
    })
    .map(({ method: sent, segments, query, headers, body: { kind, text }, type }) => {
      const url = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(segments[name])))
      const search = query.map((pair) => pair.map(encodeURIComponent).join('=')).join('&')
      const withBody = text !== undefined && { 'content-type': type }
      const isNonsense = sent !== method || (text !== undefined && type !== 'application/json')
      return new FuzzRequest(
        isNonsense ? 'nonsense' : kind,
        sent,
        search === '' ? url : `${url}?${search}`,
        { ...headers, ...withBody },
        text,
      )
    })
}

/** Never a valid name: PUT would register a service under a valid one, and after a while there would be hundreds. */
const noName = fc.oneof(
  fc.constantFrom('..', '.', ' ', '%', 'a/b', 'a b', 'ü', '-a', 'x'.repeat(300), '\0', '\u202e'),
  fc.string({ unit, maxLength: 20 }).map((text) => `${text}!`),
)

function segment({ name, schema }: Parameter, values: Values, knownService: number): Arbitrary<unknown> {
  const known = values.named(name, schema)
  if (name === 'service' && knownService > 1) {
    return fc.oneof({ weight: 1, arbitrary: known }, { weight: knownService - 1, arbitrary: noName })
  }
  return fc.oneof({ weight: 6, arbitrary: known }, noName)
}

function query(parameters: Parameter[], values: Values): Arbitrary<[string, string][]> {
  const text = (value: unknown) =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
      .subarray(0, 500)
      .toString()
      .replace(/\ufffd+$/, '')
  const known = parameters.map(({ name, schema, required }) =>
    fc
      .oneof({ weight: 10, arbitrary: values.named(name, schema) }, odd)
      .map((value): [string, string][] => [[name, text(value)]])
      .chain((pair) =>
        required ? fc.constant(pair) : fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.constant(pair)),
      ),
  )
  const more = fc.constantFrom<[string, string][]>([['nonsense', '1']], [['', '']], [['__proto__', '1']])
  const twice = (pairs: [string, string][]) => [...pairs, ...pairs]
  return fc
    .tuple(fc.tuple(...known), fc.oneof({ weight: 20, arbitrary: fc.constant([]) }, more), fc.nat(20))
    .map(([pairs, others, doubled]) => (doubled === 0 ? twice(pairs.flat()) : [...pairs.flat(), ...others]))
}

/** Without the characters that Node refuses to send in a header. */
const sendable = (value: unknown) =>
  String(value)
    .replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '')
    .trim()
const headerText = fc.string({ maxLength: 60, unit }).map(sendable)

function headers(parameters: Parameter[], values: Values): Arbitrary<Record<string, string | undefined>> {
  const known = Object.fromEntries(
    parameters.map(({ name, schema }) => [
      name,
      fc.oneof({ weight: 6, arbitrary: values.named(name, schema).map(sendable) }, headerText),
    ]),
  )
  const others = fc.oneof(
    { weight: 25, arbitrary: fc.constant([]) },
    fc.constantFrom(...ODD_HEADERS).map((header) => [header]),
    // More headers than the server accepts.
    fc.constant(Array.from({ length: 150 }, (_, n): [string, string] => [`x-${n}`, ''])),
    fc.constant([['x-long', 'x'.repeat(9_000)] as [string, string]]),
  )
  const record = fc.oneof(fc.constant({}), fc.record(known, { requiredKeys: [], noNullPrototype: true }))
  return fc.tuple(record, others).map(([all, more]) => ({ ...all, ...Object.fromEntries(more) }))
}

const toJson = (value: unknown) => JSON.stringify(value) as string | undefined
const NO_BODY: Body = { kind: 'valid', text: undefined }
const oddBodies = odd.map((value): Body => ({ kind: 'nonsense', text: toJson(value) }))

function bodies(values: Arbitrary<unknown>): Arbitrary<Body> {
  const cut = fc.tuple(values, fc.nat()).map(([value, at]): Body => {
    const text = toJson(value) ?? ''
    return { kind: 'nonsense', text: text.slice(0, at % (text.length + 1)) }
  })
  return fc.oneof(
    { weight: 10, arbitrary: values.map((value): Body => ({ kind: 'valid', text: toJson(value) })) },
    { weight: 8, arbitrary: mutated(values).map((value): Body => ({ kind: 'mutated', text: toJson(value) })) },
    { weight: 1, arbitrary: fc.constantFrom(...RAW_BODIES).map((text): Body => ({ kind: 'nonsense', text })) },
    { weight: 1, arbitrary: cut },
  )
}
