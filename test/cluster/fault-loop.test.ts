/**
 * `bench/cluster-faults.ts` with one fault of each kind, or with all of them with `THREADPLANE_SOAK=1`: a node and the database
 * are killed, a standby takes its place, and networks are cut. Where this process may make networks, those of the kernel;
 * elsewhere relays.
 */
import t from 'tap'
import { faultLoop } from '../../bench/cluster/fault-loop.ts'
import { mayMakeNetworks } from '../../bench/cluster/networks.ts'
import { isSoak } from '../sqlite/soak.ts'
import { noPostgres } from './postgres.ts'

const counts = isSoak
  ? { nodeKill: 20, engineKill: 20, failover: 5, partition: 10 }
  : { nodeKill: 1, engineKill: 1, failover: 1, partition: 2 }
t.setTimeout(isSoak ? 1_200_000 : 300_000)

t.test('every acknowledged job has one outcome, whatever fails', { skip: noPostgres }, async (t) => {
  const network = mayMakeNetworks() ? 'namespaces' : 'relays'
  const { load, outcomes } = await faultLoop({ counts, clients: isSoak ? 50 : 10, network })
  t.comment(network, { acknowledged: load.acknowledged.size, refused: load.refused, ...outcomes })
  t.ok(load.acknowledged.size > 0)
  t.match(outcomes, { lost: 0, notEndedOnce: 0, ranTooOften: 0 })
})
