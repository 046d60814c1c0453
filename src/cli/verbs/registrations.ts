/** Verbs that register, change and delete services, and show their methods. */
import type { ServiceStatus } from '../../../routes/schemas/service.ts'
import { UsageError } from '../exit-codes.ts'
import { readJson } from '../input/payload.ts'
import type { Column } from '../output/table.ts'
import { shortTime } from '../output/units.ts'
import { signatureOf } from '../output/signature.ts'
import { route } from '../session.ts'
import type { MethodView } from '../../../routes/schemas/service.ts'
import { methodsOf } from '../methods.ts'
import type { Verb } from '../verb.ts'

const methodColumns: Column<MethodView>[] = [
  { title: 'METHOD', rank: 0, value: ({ name }) => name },
  { title: 'INPUT', rank: 0, cutTo: 12, value: ({ takes, input }) => takes?.join('|') || signatureOf(input) },
  {
    title: 'OUTPUT',
    rank: 2,
    cutTo: 12,
    value: ({ returns, output, streams }) => (returns ?? signatureOf(output)) + (streams ? ' …' : ''),
  },
  { title: 'TIMEOUT', rank: 3, align: 'right', value: ({ timeoutMs }) => shortTime(timeoutMs) },
  { title: 'ATTEMPTS', rank: 5, align: 'right', isWide: true, value: ({ maxAttempts }) => String(maxAttempts) },
  { title: 'PRIORITY', rank: 6, align: 'right', isWide: true, value: ({ priority }) => String(priority) },
  { title: 'ABOUT', rank: 4, cutTo: 16, value: ({ description }) => description ?? '' },
]

/** Options in the body of a registration. */
async function optionsIn(words: string[], stdin: Parameters<typeof readJson>[1]): Promise<Record<string, unknown>> {
  const options = JSON.parse((await readJson(words, stdin)) ?? '{}') as unknown
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new UsageError('the options of a service are a JSON object, or members such as threads:=2')
  }
  return options as Record<string, unknown>
}

const statusView = {
  lines: ({ name, state, module }: ServiceStatus) => [`${name} (${module}) is ${state}`],
  nameOf: ({ name }: ServiceStatus) => name,
}

export const verbs: Verb[] = [
  {
    usage: 'put <service> <module> [options...]',
    summary: 'register a service, or replace it: a module in the folder of the server, and options',
    group: 'Services',
    examples: ['threadplane put copy primes.js threads:=2'],
    run: async (session, [service = '', module = '', ...words]) => {
      const body = { module, ...(await optionsIn(words, session.io.stdin)) }
      const answer = await session.request<ServiceStatus>('PUT', route`/v1/services/${service}`, { body })
      await session.print.write(session.print.one(answer, statusView))
    },
  },
  {
    usage: 'set <service> <options...>',
    summary: 'change options of a service; null sets one back to the value of the module',
    group: 'Services',
    examples: ['threadplane set primes threads:=2', `threadplane set primes '{"restart":{"maxRestarts":10}}'`],
    run: async (session, [service = '', ...words]) => {
      const body = await optionsIn(words, session.io.stdin)
      const answer = await session.request<ServiceStatus>('PATCH', route`/v1/services/${service}`, { body })
      await session.print.write(session.print.one(answer, statusView))
    },
  },
  {
    usage: 'rm <service>',
    summary: 'stop and delete a service',
    group: 'Services',
    options: { '--cancel-jobs': 'cancel its unfinished jobs; with such jobs it is not deleted otherwise' },
    examples: ['threadplane rm copy -y'],
    run: async (session, [service = ''], { cancelJobs }) => {
      const jobs = cancelJobs ? ' and cancel its unfinished jobs' : ''
      await session.confirm(`stop and delete the service ${service}${jobs}`)
      await session.request('DELETE', route`/v1/services/${service}`, { query: { cancelJobs } })
      session.print.note(`the service ${service} is deleted`)
    },
  },
  {
    usage: 'methods <service> [method]',
    summary: 'list the methods of a service, or show one with its schemas',
    group: 'Services',
    examples: ['threadplane methods primes', 'threadplane methods primes count'],
    run: async (session, [service = '', name]) => {
      const { print } = session
      if (name === undefined) {
        const answer = await methodsOf(session, service)
        const view = {
          columns: methodColumns,
          nameOf: ({ name }: MethodView) => name,
          none: `${service} has no methods`,
        }
        return print.write(await print.list(answer, view))
      }
      const { body } = await methodsOf(session, service, name)
      const method = body.items.find((method) => method.name === name) as MethodView
      const text = JSON.stringify(method)
      await print.write(
        print.one(
          { text, body: method },
          { lines: (shown, paint) => detailsOf(service, shown, paint), nameOf: () => name },
        ),
      )
    },
  },
]

function detailsOf(service: string, method: MethodView, paint: (style: 'bold', text: string) => string): string[] {
  const { name, description, input, output, takes, returns, streams, timeoutMs, maxAttempts, priority } = method
  const schema = (value: object | null) => JSON.stringify(value, null, 2).replaceAll('\n', '\n    ')
  return [
    paint('bold', `${service}.${name}`) + (description === undefined ? '' : `  ${description}`),
    `  input     ${takes === undefined ? signatureOf(input) : `bytes: ${takes.join(', ') || 'any type'}`}`,
    `  output    ${returns ?? signatureOf(output)}${streams ? ', one item after the other' : ''}`,
    `  deadline  ${shortTime(timeoutMs)}, ${maxAttempts} attempts, priority ${priority}`,
    ...(input === null ? [] : [`  schema of the input`, `    ${schema(input)}`]),
    ...(output === null ? [] : [`  schema of the output`, `    ${schema(output)}`]),
  ]
}
