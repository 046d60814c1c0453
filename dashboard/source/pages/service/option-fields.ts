/** The options of a service as fields of a form: a new option of the server that is not here does not compile. */
import type { ServiceOptions } from '../../../../src/contract/options.ts'

type Flat<T, Key extends string> = { [K in keyof T & string as `${Key}.${K}`]: T[K] }

/** Options and members of options that have members, by their paths. */
export type OptionPath =
  | Exclude<keyof ServiceOptions, 'restart' | 'limits' | 'placement'>
  | keyof Flat<NonNullable<ServiceOptions['restart']>, 'restart'>
  | keyof Flat<NonNullable<ServiceOptions['limits']>, 'limits'>
  | keyof Flat<NonNullable<ServiceOptions['placement']>, 'placement'>

export type OptionField = { help: string } & (
  | { kind: 'number'; unit?: string }
  | { kind: 'switch' }
  | { kind: 'text' }
  | { kind: 'choice'; choices: readonly string[] }
  /** Names with commas between them. */
  | { kind: 'names' }
  /** `key=value` with commas between them. */
  | { kind: 'labels' }
)

export const GROUPS: Record<string, readonly OptionPath[]> = {
  Running: ['threads', 'numWorkers', 'autostart', 'required', 'isolation', 'dependsOn', 'logLevel'],
  Queue: ['queueCapacity', 'queueBytes', 'prefetch', 'maxResultBytes'],
  Times: ['startTimeoutMs', 'shutdownTimeoutMs', 'cancelGraceMs', 'hangTimeoutMs'],
  'After a crash': [
    'restart.strategy',
    'restart.group',
    'restart.maxRestarts',
    'restart.periodMs',
    'restart.backoffMs',
    'restart.backoffMaxMs',
  ],
  'Memory of a thread': [
    'limits.maxOldGenerationSizeMb',
    'limits.maxYoungGenerationSizeMb',
    'limits.stackSizeMb',
    'limits.maxRssMb',
  ],
  'In a cluster': ['placement.nodes', 'placement.labels'],
}

export const FIELDS: Record<OptionPath, OptionField> = {
  threads: { kind: 'number', help: 'Threads that share the queue' },
  numWorkers: { kind: 'number', help: 'Methods of one thread that may overlap' },
  autostart: { kind: 'switch', help: 'Start with the server' },
  required: { kind: 'switch', help: 'The server is not ready while it does not run' },
  isolation: { kind: 'choice', choices: ['thread', 'process'], help: 'Where its threads run' },
  dependsOn: { kind: 'names', help: 'Services that must run before it' },
  logLevel: {
    kind: 'choice',
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
    help: 'The lowest level that is kept',
  },
  queueCapacity: { kind: 'number', help: 'Methods that may wait in memory' },
  queueBytes: { kind: 'number', unit: 'bytes', help: 'All payloads that may wait in memory' },
  prefetch: { kind: 'number', help: 'Methods handed to a thread ahead' },
  maxResultBytes: { kind: 'number', unit: 'bytes', help: 'The largest result' },
  startTimeoutMs: { kind: 'number', unit: 'ms', help: 'The longest start of a thread' },
  shutdownTimeoutMs: { kind: 'number', unit: 'ms', help: 'The longest stop of a thread' },
  cancelGraceMs: { kind: 'number', unit: 'ms', help: 'From the abort of a method to the end of its thread' },
  hangTimeoutMs: { kind: 'number', unit: 'ms', help: 'A thread that is blocked for so long crashes' },
  'restart.strategy': {
    kind: 'choice',
    choices: ['oneForOne', 'oneForAll', 'forfeitOneForOne', 'forfeitOneForAll'],
    help: 'Restart the crashed thread or all; forfeit: stop them',
  },
  'restart.group': { kind: 'text', help: 'Services of one group share a supervisor' },
  'restart.maxRestarts': { kind: 'number', help: 'Restarts within the period, then it fails' },
  'restart.periodMs': { kind: 'number', unit: 'ms', help: 'After so long a restart counts no more' },
  'restart.backoffMs': { kind: 'number', unit: 'ms', help: 'Before the first restart; doubles' },
  'restart.backoffMaxMs': { kind: 'number', unit: 'ms', help: 'Longest wait before a restart' },
  'limits.maxOldGenerationSizeMb': { kind: 'number', unit: 'MiB', help: 'Heap' },
  'limits.maxYoungGenerationSizeMb': { kind: 'number', unit: 'MiB', help: 'Heap of young objects' },
  'limits.stackSizeMb': { kind: 'number', unit: 'MiB', help: 'Stack' },
  'limits.maxRssMb': { kind: 'number', unit: 'MiB', help: 'All memory of a process' },
  'placement.nodes': { kind: 'number', help: 'On how many nodes it runs' },
  'placement.labels': { kind: 'labels', help: 'Labels that a node must have: disk=ssd, zone=a' },
}

/** The value of an option as the text of its field. */
export function textOfOption(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (Array.isArray(value)) return value.join(', ')
  if (typeof value === 'object') {
    return Object.entries(value)
      .map(([key, one]) => `${key}=${String(one)}`)
      .join(', ')
  }
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** The text of a field as a value for PATCH; empty: `null`, which sets the option back to that of the module. */
export function valueOfText(field: OptionField, text: string): unknown {
  const words = text
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean)
  switch (field.kind) {
    case 'names':
      return words
    case 'labels':
      if (words.length === 0) return null
      return Object.fromEntries(
        words.map((word) => [word.split('=', 1)[0] ?? '', word.slice(word.indexOf('=') + 1)] as const),
      )
    case 'switch':
      return text === '' ? null : text === 'true'
    case 'number':
      // What is no number goes as text, and the server says what is wrong with it.
      return text.trim() === '' ? null : Number.isNaN(Number(text)) ? text : Number(text)
    default:
      return text === '' ? null : text
  }
}
