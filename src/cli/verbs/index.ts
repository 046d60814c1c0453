/** All verbs of a server's clients, in the order of the help. */
import type { Verb } from '../verb.ts'

/** First words of verbs, and the file that has them: a command loads one of these files, and not all. */
const FILES: readonly [names: readonly string[], load: () => Promise<{ verbs: Verb[] }>][] = [
  [['ps', 'status'], () => import('./services.ts')],
  [['start', 'stop', 'restart', 'reload', 'pause', 'resume', 'crash'], () => import('./lifecycle.ts')],
  [['put', 'set', 'rm', 'methods'], () => import('./registrations.ts')],
  [['call', 'cast'], () => import('./invocations.ts')],
  [['jobs', 'job', 'wait', 'retry', 'run', 'cancel', 'failures'], () => import('./jobs.ts')],
  [['schedules', 'schedule'], () => import('./schedules.ts')],
  [['logs'], () => import('./logs.ts')],
  [['events'], () => import('./events.ts')],
  [['top'], () => import('./top.ts')],
  [['stack', 'profile', 'heap'], () => import('./diagnostics.ts')],
  [['doctor'], () => import('./doctor.ts')],
  [['nodes', 'drain'], () => import('./nodes.ts')],
  [['context'], () => import('./contexts.ts')],
  [['completion'], () => import('./completion.ts')],
]

/** @param name the first word of a command; all verbs if it is the name of none */
export async function loadVerbs(name = ''): Promise<Verb[]> {
  const known = FILES.filter(([names]) => names.includes(name))
  const files = known.length > 0 ? known : FILES
  return (await Promise.all(files.map(([, load]) => load()))).flatMap(({ verbs }) => verbs)
}
