/**
 * What has changed for clients between two descriptions of a service, and which of the changes may break them. A client
 * sends the input, so it breaks if less is accepted. It reads the output, so it breaks if something else may come.
 */
import type { MethodDescription, ServiceDescription } from '../contract/description.ts'
import { schemaChanges, type SchemaChange } from './schema-diff.ts'

export interface ContractChange {
  method: string
  /** What has changed, such as `input + upTo?: integer`; of a method that is new or gone: `+` or `−`. */
  text: string
  /** May it break a client that was written for the contract before? */
  breaking: boolean
}

/** In the order of the methods: those that are there now, then those that are gone. */
export function contractDiff(before: ServiceDescription, after: ServiceDescription): ContractChange[] {
  const changes: ContractChange[] = []
  for (const [method, now] of Object.entries(after.methods)) {
    const old = Object.hasOwn(before.methods, method) ? before.methods[method] : undefined
    if (old === undefined) changes.push({ method, text: '+', breaking: false })
    else for (const change of methodChanges(old, now)) changes.push({ method, ...change })
  }
  for (const method of Object.keys(before.methods)) {
    if (!Object.hasOwn(after.methods, method)) changes.push({ method, text: '−', breaking: true })
  }
  return changes
}

function methodChanges(before: MethodDescription, after: MethodDescription): Omit<ContractChange, 'method'>[] {
  return [...inputChanges(before, after), ...outputChanges(before, after), ...problemChanges(before, after)]
}

type Change = Omit<ContractChange, 'method'>

function inputChanges(before: MethodDescription, after: MethodDescription): Change[] {
  const [from, to] = [before.inputBytes, after.inputBytes]
  if ((from === undefined) !== (to === undefined)) {
    return [{ text: `input: ${to ? 'bytes' : 'JSON'} (was ${from ? 'bytes' : 'JSON'})`, breaking: true }]
  }
  if (from === undefined || to === undefined) {
    return schemaChanges(before.input, after.input).map((change) => toldOf('input', change, 'narrower'))
  }
  const changes: Change[] = []
  for (const type of to.types.filter((one) => !from.types.includes(one))) {
    changes.push({ text: `input + ${type}`, breaking: false })
  }
  for (const type of from.types.filter((one) => !to.types.includes(one))) {
    changes.push({ text: `input − ${type}`, breaking: true })
  }
  const [least, most] = [from, to].map(({ maxBytes = Number.POSITIVE_INFINITY }) => maxBytes) as [number, number]
  if (least !== most) changes.push({ text: `input maxBytes ${least} → ${most}`, breaking: most < least })
  return changes
}

function outputChanges(before: MethodDescription, after: MethodDescription): Change[] {
  const [from, to] = [formOf(before), formOf(after)]
  if (from !== to) return [{ text: `output: ${to} (was ${from})`, breaking: true }]
  if (after.outputBytes !== undefined) {
    const [old = '', now = ''] = [before.outputBytes, after.outputBytes].map((bytes) => bytes?.types.join(', '))
    return old === now ? [] : [{ text: `output ${now} (was ${old})`, breaking: true }]
  }
  return schemaChanges(before.output, after.output).map((change) => toldOf('output', change, 'wider'))
}

function formOf({ streams, outputBytes }: MethodDescription): string {
  if (outputBytes !== undefined) return 'bytes'
  return streams ? 'a stream of items' : 'JSON'
}

/** @param breaks a change in this direction breaks clients, and so does one in no clear direction */
function toldOf(io: 'input' | 'output', { text, effect }: SchemaChange, breaks: 'narrower' | 'wider'): Change {
  return { text: `${io} ${text}`, breaking: effect === breaks || effect === 'other' || effect === `${io}Breaks` }
}

function problemChanges({ problems: before = {} }: MethodDescription, { problems: after = {} }: MethodDescription) {
  const added = Object.entries(after).filter(([name]) => !Object.hasOwn(before, name))
  const removed = Object.keys(before).filter((name) => !Object.hasOwn(after, name))
  return [
    ...added.map(([name, { status }]): Change => ({ text: `problem + ${name} (${status})`, breaking: false })),
    ...removed.map((name): Change => ({ text: `problem − ${name}`, breaking: false })),
  ]
}
