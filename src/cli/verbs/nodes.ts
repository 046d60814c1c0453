/** `nodes` and `drain`: the servers of a cluster. */
import type { NodeView } from '../../../routes/schemas/node.ts'
import type { Column } from '../output/table.ts'
import { distance, NONE } from '../output/units.ts'
import { route } from '../session.ts'
import type { Verb } from '../verb.ts'
import { watch } from '../watch.ts'

const columns: Column<NodeView>[] = [
  { title: 'NAME', rank: 0, value: ({ name }) => name },
  { title: 'STATE', rank: 0, value: ({ draining }) => (draining ? 'draining' : 'running') },
  { title: 'SERVICES', rank: 1, align: 'right', value: ({ services }) => String(services.length) },
  {
    title: 'THREADS',
    rank: 3,
    align: 'right',
    value: ({ services }) => String(services.reduce((sum, { threads }) => sum + threads, 0)),
  },
  { title: 'UP', rank: 2, align: 'right', value: ({ startedAt }) => distance(startedAt) },
  { title: 'SEEN', rank: 4, align: 'right', value: ({ self, seenAt }) => (self ? NONE : distance(seenAt)) },
  { title: 'VERSION', rank: 5, value: ({ version }) => version },
  { title: 'URL', rank: 6, cutTo: 12, value: ({ url }) => url ?? NONE },
  {
    title: 'OTHER CODE',
    rank: 2,
    cutTo: 10,
    style: () => 'red',
    value: ({ services }) =>
      services
        .filter(({ differs }) => differs)
        .map(({ name }) => name)
        .join(', '),
  },
]

export const verbs: Verb[] = [
  {
    usage: 'nodes',
    summary: 'list the servers of the cluster, or the one server',
    group: 'Nodes',
    options: { '-w, --watch': 'show it again every 2 s, until Ctrl-C' },
    examples: ['threadplane nodes'],
    run: (session, _args, options) =>
      watch(session, options, async () =>
        session.print.list(await session.get<{ items: NodeView[] }>('/v1/nodes'), {
          columns,
          nameOf: ({ name }) => name,
          none: 'no nodes',
        }),
      ),
  },
  {
    usage: 'drain <node>',
    summary: 'give a node no new work, until its server is started again',
    group: 'Nodes',
    examples: ['threadplane drain $NODE -y'],
    run: async (session, [node = '']) => {
      await session.confirm(`drain the node ${node}`)
      const answer = await session.request<{ name: string }>('POST', route`/v1/nodes/${node}/drain`)
      const lines = ({ name }: { name: string }) => [`${name} takes no new work`]
      await session.print.write(session.print.one(answer, { lines, nameOf: ({ name }) => name }))
    },
  },
]
