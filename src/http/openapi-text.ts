/**
 * The text of the OpenAPI document, in JSON and in YAML. A server can have many thousands of methods, so the document is
 * built and written in slices: other requests are served between two of them. The text is kept until a service is added
 * or deleted, or its description changes.
 */
import { stringify } from 'yaml'
import { Slices } from '../async/slices.ts'
import type { ServiceDescription } from '../contract/description.ts'
import { SharedComponents } from './openapi-components.ts'
import { type OpenApiDocument, serviceOperations, tagOf } from './openapi-operations.ts'

/** A registered service. */
export interface DescribedService {
  name: string
  /** What its module says of itself; `undefined` until the module has been loaded once. */
  description: ServiceDescription | undefined
}

interface Build {
  services: DescribedService[]
  document: Promise<OpenApiDocument>
  json?: Promise<Buffer>
  yaml?: Promise<Buffer>
}

export class OpenApiText {
  readonly #base: () => OpenApiDocument
  readonly #services: () => DescribedService[]
  readonly #prefix: string
  #build: Build | undefined

  /**
   * @param base makes the document of the server's own routes; called for each build
   * @param services the services that are registered at present, sorted by name
   * @param prefix of all paths
   */
  constructor(base: () => OpenApiDocument, services: () => DescribedService[], prefix = '') {
    this.#base = base
    this.#prefix = prefix
    this.#services = services
  }

  /** Requests that come during a build share it. */
  json(): Promise<Buffer> {
    const build = this.#current()
    return (build.json ??= build.document.then(toJson))
  }

  yaml(): Promise<Buffer> {
    const build = this.#current()
    return (build.yaml ??= build.document.then(toYaml))
  }

  #current(): Build {
    const services = this.#services()
    const known = this.#build?.services
    const isUnchanged =
      known?.length === services.length &&
      services.every(({ name, description }, at) => name === known[at]?.name && description === known[at].description)
    if (this.#build !== undefined && isUnchanged) return this.#build
    const build: Build = { services, document: this.#document(services) }
    // The next request tries again.
    build.document.catch(() => {
      if (this.#build === build) this.#build = undefined
    })
    this.#build = build
    return build
  }

  async #document(services: DescribedService[]): Promise<OpenApiDocument> {
    const document = this.#base()
    const slices = new Slices()
    const taken = new Set(operationIds(document))
    const shared = new SharedComponents(document)
    // Services come first: they are what a reader looks for.
    const described = services.flatMap(({ name, description }) =>
      description === undefined ? [] : { name, description },
    )
    document.tags.unshift(...described.map(({ name, description }) => tagOf(name, description)))
    for (const { name, description } of described) {
      for (const _method of serviceOperations(document, shared, this.#prefix, taken, name, description))
        await slices.pause()
    }
    return document
  }
}

function operationIds({ paths }: OpenApiDocument): string[] {
  return Object.values(paths).flatMap((path) => Object.values(path).map(({ operationId }) => operationId))
}

/** The members of these are written one by one: there is one for each method. */
function isLarge(key: string): boolean {
  return key === 'paths' || key === 'components'
}

async function toJson(document: OpenApiDocument): Promise<Buffer> {
  const slices = new Slices()
  const members = async (object: object, write: (key: string, value: unknown) => Promise<Buffer[]> | Buffer[]) => {
    const pieces: Buffer[] = [Buffer.from('{')]
    for (const [key, value] of Object.entries(object)) {
      if (pieces.length > 1) pieces.push(Buffer.from(','))
      pieces.push(Buffer.from(`${JSON.stringify(key)}:`), ...(await write(key, value)))
      await slices.pause()
    }
    return [...pieces, Buffer.from('}')]
  }
  const whole = (_key: string, value: unknown) => [Buffer.from(JSON.stringify(value))]
  const parts = await members(document, (key, value) => {
    if (key === 'paths') return members(value as object, whole)
    if (key === 'components') return members(value as object, (_kind, one) => members(one as object, whole))
    return whole(key, value)
  })
  return Buffer.concat(parts)
}

async function toYaml(document: OpenApiDocument): Promise<Buffer> {
  const slices = new Slices()
  const pieces: Buffer[] = []
  const write = (indent: string, value: unknown) => {
    // References of YAML count within one piece only.
    const text = stringify(value, { aliasDuplicateObjects: false })
    pieces.push(Buffer.from(indent === '' ? text : text.replace(/^(?=.)/gm, indent)))
  }
  const each = async (indent: string, object: object) => {
    for (const [key, value] of Object.entries(object)) {
      write(indent, { [key]: value })
      await slices.pause()
    }
  }
  for (const [key, value] of Object.entries(document)) {
    if (!isLarge(key) || Object.keys(value as object).length === 0) write('', { [key]: value })
    else if (key === 'paths') {
      pieces.push(Buffer.from('paths:\n'))
      await each('  ', value as object)
    } else {
      pieces.push(Buffer.from(`${key}:\n`))
      for (const [kind, parts] of Object.entries(value as Record<string, object>)) {
        if (Object.keys(parts).length === 0) {
          write('  ', { [kind]: parts })
          continue
        }
        pieces.push(Buffer.from(`  ${kind}:\n`))
        await each('    ', parts)
      }
    }
  }
  return Buffer.concat(pieces)
}
