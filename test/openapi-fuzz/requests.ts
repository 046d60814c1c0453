/** Requests of one operation: as the document has them, mutated, and beside all sense. */
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

export class FuzzRequest {
  readonly method: string
  readonly url: string
  readonly headers: Record<string, string | undefined>
  readonly body: string | undefined

  constructor(method: string, url: string, headers: Record<string, string | undefined>, body: string | undefined) {
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

/** @param isCostly it starts or stops threads, so that most of its requests name a service which is not there */
export function requestsOf(
  method: string,
  path: string,
  { parameters = [], requestBody }: Operation,
  values: Values,
  isCostly: boolean,
): Arbitrary<FuzzRequest> {
  const among = (place: Parameter['in']) => parameters.filter((parameter) => parameter.in === place)
  const methods = fc.oneof({ weight: 30, arbitrary: fc.constant(method) }, fc.constantFrom(...METHODS))
  const segments = Object.fromEntries(among('path').map((one) => [one.name, segment(one, values, isCostly)]))
  const json = requestBody?.content['application/json']?.schema
  const body = json === undefined ? fc.constant(undefined) : bodies(values.named(' body', json))
  return fc
    .record({
      method: methods,
      segments: fc.record(segments, { noNullPrototype: true }),
      query: query(among('query'), values),
      headers: headers(among('header'), values),
      body: fc.oneof({ weight: 20, arbitrary: body }, bodies(odd), fc.constant(undefined)),
      type: fc.oneof({ weight: 12, arbitrary: fc.constant('application/json') }, fc.constantFrom(...CONTENT_TYPES)),
    })
    .map(({ method, segments, query, headers, body, type }) => {
      const url = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(segments[name])))
      const search = query.map((pair) => pair.map(encodeURIComponent).join('=')).join('&')
      const withBody = body !== undefined && { 'content-type': type }
      return new FuzzRequest(method, search === '' ? url : `${url}?${search}`, { ...headers, ...withBody }, body)
    })
}

/** A name that is no name of ours: one that were might be registered, again and again another. */
const noName = fc.oneof(
  fc.constantFrom('..', '.', ' ', '%', 'a/b', 'a b', 'ü', '-a', 'x'.repeat(300), '\0', '\u202e'),
  fc.string({ unit, maxLength: 20 }).map((text) => `${text}!`),
)

function segment({ name, schema }: Parameter, values: Values, isCostly: boolean): Arbitrary<unknown> {
  const unknown = isCostly && name === 'service' ? 39 : 1
  const known = unknown === 1 ? 6 : 1
  return fc.oneof({ weight: known, arbitrary: values.named(name, schema) }, { weight: unknown, arbitrary: noName })
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

/** Of a text, what a header can carry. */
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
    // More than a request may have.
    fc.constant(Array.from({ length: 150 }, (_, n): [string, string] => [`x-${n}`, ''])),
    fc.constant([['x-long', 'x'.repeat(9_000)] as [string, string]]),
  )
  const record = fc.oneof(fc.constant({}), fc.record(known, { requiredKeys: [], noNullPrototype: true }))
  return fc.tuple(record, others).map(([all, more]) => ({ ...all, ...Object.fromEntries(more) }))
}

function bodies(values: Arbitrary<unknown>): Arbitrary<string | undefined> {
  const written = (value: unknown) => JSON.stringify(value) as string | undefined
  const cut = fc.tuple(values, fc.nat()).map(([value, at]) => {
    const text = written(value) ?? ''
    return text.slice(0, at % (text.length + 1))
  })
  return fc.oneof(
    { weight: 10, arbitrary: values.map(written) },
    { weight: 8, arbitrary: mutated(values).map(written) },
    { weight: 1, arbitrary: fc.constantFrom(...RAW_BODIES) },
    { weight: 1, arbitrary: cut },
  )
}
