/** All verbs of a server's clients, in the order of the help. */
import type { Verb } from '../verb.ts'
import { completionVerbs } from './completion.ts'
import { contextVerbs } from './contexts.ts'
import { diagnosticVerbs } from './diagnostics.ts'
import { doctorVerbs } from './doctor.ts'
import { eventVerbs } from './events.ts'
import { invocationVerbs } from './invocations.ts'
import { jobVerbs } from './jobs.ts'
import { lifecycleVerbs } from './lifecycle.ts'
import { logVerbs } from './logs.ts'
import { nodeVerbs } from './nodes.ts'
import { registrationVerbs } from './registrations.ts'
import { scheduleVerbs } from './schedules.ts'
import { serviceVerbs } from './services.ts'
import { topVerbs } from './top.ts'

export const VERBS: readonly Verb[] = [
  ...serviceVerbs,
  ...lifecycleVerbs,
  ...registrationVerbs,
  ...invocationVerbs,
  ...jobVerbs,
  ...scheduleVerbs,
  ...logVerbs,
  ...eventVerbs,
  ...topVerbs,
  ...diagnosticVerbs,
  ...doctorVerbs,
  ...nodeVerbs,
  ...contextVerbs,
  ...completionVerbs,
]
