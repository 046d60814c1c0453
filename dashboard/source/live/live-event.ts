/** What comes in the stream of events: the types of `threadplane/client`, so that a change there does not compile here. */
import type { PlaneEvent } from '../../../src/client/events.ts'

export type HelloEvent = Extract<PlaneEvent, { type: 'hello' }>
export type GapEvent = Extract<PlaneEvent, { type: 'gap' }>

/** What happens, and numbers; the page asks for no snapshot. */
export type LiveEvent = Exclude<PlaneEvent, { type: 'hello' | 'gap' | 'snapshot' }>

/** In the columns that `hello` names. */
export type StatsRow = Extract<PlaneEvent, { type: 'stats' }>['services'][string]
