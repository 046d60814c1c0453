/** `context`: the servers that a person works with, under names. */
import { CliError, EXIT, UsageError } from '../exit-codes.ts'
import { contextsPath, readContexts, writeContexts } from '../input/contexts-file.ts'
import type { Column } from '../output/table.ts'
import type { Verb } from '../verb.ts'

interface Listed {
  name: string
  url: string
  isCurrent: boolean
  hasToken: boolean
}

const columns: Column<Listed>[] = [
  { title: '', rank: 0, value: ({ isCurrent }) => (isCurrent ? '*' : '') },
  { title: 'NAME', rank: 0, value: ({ name }) => name },
  { title: 'URL', rank: 0, cutTo: 16, value: ({ url }) => url },
  { title: 'TOKEN', rank: 1, value: ({ hasToken }) => (hasToken ? 'yes' : 'no') },
]

/** @throws CliError */
function known(name: string, contexts: Record<string, unknown>): void {
  if (!Object.hasOwn(contexts, name)) {
    throw new CliError(EXIT.notFound, `there is no context ${JSON.stringify(name)}: see threadplane context list`)
  }
}

export const verbs: Verb[] = [
  {
    usage: 'context list',
    summary: 'list the servers that have a name',
    group: 'This program',
    isDefault: true,
    examples: ['threadplane context list'],
    run: async ({ io, print }) => {
      const { current, contexts } = await readContexts(io.env)
      const items = Object.entries(contexts).map(([name, { url, token }]) => ({
        name,
        url,
        isCurrent: name === current,
        hasToken: token !== undefined,
      }))
      const none = `there are no contexts in ${contextsPath(io.env)}`
      await print.write(
        await print.list(
          { text: JSON.stringify({ items }), body: { items } },
          { columns, nameOf: ({ name }) => name, none },
        ),
      )
    },
  },
  {
    usage: 'context set <name>',
    summary: 'give the server of --url a name, with the token of --token, and use it from now on',
    details: 'THREADPLANE_URL and THREADPLANE_TOKEN count, too: so the token need not be in the history of the shell.',
    group: 'This program',
    examples: ['threadplane context set prod --url http://127.0.0.1:8080'],
    run: async (session, [name = '']) => {
      if (!/^[\w.-]{1,64}$/.test(name)) throw new UsageError('the name of a context has letters, digits, . _ and -')
      const context = await session.target()
      const { contexts } = await readContexts(session.io.env)
      await writeContexts(session.io.env, { current: name, contexts: { ...contexts, [name]: context } })
      session.print.note(`${name} is ${context.url}${context.token === undefined ? ', without a token' : ''}`)
    },
  },
  {
    usage: 'context use <name>',
    summary: 'use this server from now on',
    group: 'This program',
    examples: ['threadplane context use prod'],
    run: async ({ io, print }, [name = '']) => {
      const { contexts } = await readContexts(io.env)
      known(name, contexts)
      await writeContexts(io.env, { current: name, contexts })
      print.note(`now using ${name}`)
    },
  },
  {
    usage: 'context rm <name>',
    summary: 'forget a server and its token',
    group: 'This program',
    examples: ['threadplane context rm prod -y'],
    run: async (session, [name = '']) => {
      const { current, contexts } = await readContexts(session.io.env)
      known(name, contexts)
      await session.confirm(`forget the context ${name} and its token`)
      const { [name]: _removed, ...others } = contexts
      const stays = current !== undefined && current !== name
      await writeContexts(session.io.env, { ...(stays && { current }), contexts: others })
      session.print.note(`${name} is forgotten`)
    },
  },
]
