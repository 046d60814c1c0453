/** The load of a service on this node, as the other nodes are told. */
import type { SupervisedService } from '../services/supervised-service.ts'
import type { ServiceLoad } from './cluster.ts'

export function loadOf({ state, threads, concurrency, running, waiting, room }: SupervisedService): ServiceLoad {
  return {
    state,
    threads: threads.filter((thread) => thread.state === 'running').length,
    concurrency,
    running,
    waiting,
    room,
  }
}
