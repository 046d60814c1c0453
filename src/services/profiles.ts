/**
 * CPU profiles, allocations and heap snapshots of the threads of services. A recording goes to a file in a folder of its
 * own, which only the user of the server can read; it is deleted as soon as it is open for the client.
 */
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { ProfileOutcome, ProfileRequest } from '../contract/profile.ts'
import { uuidv7 } from '../contract/uuidv7.ts'
import type { ThreadSession } from '../threads/thread-session.ts'
import type { SupervisedService } from './supervised-service.ts'

/** Recordings at a time. Each costs the thread some of its speed, and the server the memory of its result. */
const MAX_PROFILES = 2
/** A heap snapshot takes so many times the heap, while it is made. */
const SNAPSHOT_FACTOR = 2.5
const MIB = 2 ** 20

/** What is recorded; see {@link ProfileRequest}. */
type Recording =
  | { kind: 'cpu'; seconds: number; intervalUs: number }
  | { kind: 'allocations'; seconds: number }
  | { kind: 'heap-snapshot'; force: boolean }

export interface Profile {
  body: Readable
  bytes: number
  thread: number
}

export class Profiles {
  readonly #folder: string
  /** The services of the recordings that are under way. */
  readonly #active = new Set<string>()
  /** The folder is empty and ready: a server that was killed may have left files in it. */
  #prepared: Promise<void> | undefined

  /** @param folder for nothing else: its content is deleted */
  constructor(folder: string) {
    this.#folder = folder
  }

  /**
   * Records one thread of a service: that with the id, or the one that hangs or is busiest. `signal` ends the recording.
   * @throws CONFLICT, DEADLINE_EXCEEDED, THREAD_DIED
   */
  async record(
    service: SupervisedService,
    recording: Recording,
    thread: number | undefined,
    signal: AbortSignal,
  ): Promise<Profile> {
    const session = choose(service, thread)
    if (this.#active.has(service.name)) {
      throw service.error('CONFLICT', `another profile of ${service.name} is under way: wait for its end`)
    }
    if (this.#active.size >= MAX_PROFILES) {
      throw service.error('CONFLICT', `${MAX_PROFILES} profiles are under way already: wait for the end of one`)
    }
    if (recording.kind === 'heap-snapshot' && !recording.force) checkRoom(service, session)
    this.#active.add(service.name)
    try {
      const file = join(await this.#ready(), uuidv7())
      try {
        check(service, await session.profile(toRequest(recording, file), signal))
        return { ...(await openOnce(file)), thread: session.id }
      } finally {
        await rm(file, { force: true })
      }
    } finally {
      this.#active.delete(service.name)
    }
  }

  async #ready(): Promise<string> {
    this.#prepared ??= emptied(this.#folder)
    try {
      await this.#prepared
    } catch (error) {
      this.#prepared = undefined
      throw error
    }
    return this.#folder
  }
}

async function emptied(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
}

function toRequest(recording: Recording, file: string): ProfileRequest {
  return recording.kind === 'heap-snapshot' ? { kind: recording.kind, file } : { ...recording, file }
}

async function openOnce(file: string): Promise<{ body: Readable; bytes: number }> {
  const handle = await open(file, 'r')
  try {
    const { size: bytes } = await handle.stat()
    return { body: handle.createReadStream(), bytes }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** @throws CONFLICT */
function choose(service: SupervisedService, thread: number | undefined): ThreadSession {
  const { sessions, name } = service
  const [first] = sessions
  if (first === undefined) throw service.error('CONFLICT', `${name} is ${service.state}: it has no thread`)
  if (thread === undefined) {
    // A thread that was replaced may end before the recording does.
    const serving = sessions.filter(({ id }) => service.threadSet.current.some(({ threadId }) => threadId === id))
    const candidates = serving.length > 0 ? serving : sessions
    return candidates.reduce((most, one) => (load(one) > load(most) ? one : most))
  }
  const found = sessions.find(({ id }) => id === thread)
  if (found !== undefined) return found
  const known = sessions.map(({ id }) => id).join(', ')
  throw service.error('CONFLICT', `${name} has no thread ${thread}; it has: ${known}`)
}

/** A thread that does not respond comes first. */
function load({ responsive, worker }: ThreadSession): number {
  return responsive ? worker.eventLoopUtilization() : 2
}

/** @throws CONFLICT */
function checkRoom(service: SupervisedService, { heapUsedBytes }: ThreadSession): void {
  const { limits, isolation } = service.options
  const free = process.availableMemory()
  // The process of a service is ended beyond its limit.
  const own = isolation === 'process' && limits.maxRssMb !== undefined ? limits.maxRssMb * MIB - heapUsedBytes : free
  const room = Math.max(Math.min(free, own), 0)
  const needed = heapUsedBytes * SNAPSHOT_FACTOR
  if (needed <= room) return
  const [need, have] = [needed, room].map((bytes) => `${Math.ceil(bytes / MIB)} MiB`)
  const detail = `a heap snapshot needs about ${need} of memory, and ${have} are left; "force": true takes it all the same`
  throw service.error('CONFLICT', detail)
}

/** @throws unless the file is written */
function check(service: SupervisedService, outcome: ProfileOutcome): void {
  const { name } = service
  switch (outcome.kind) {
    case 'done':
      return
    case 'blocked-native':
      throw service.error('DEADLINE_EXCEEDED', `the thread of ${name} is in native code and does not answer`)
    case 'gone':
      throw service.error('THREAD_DIED', `the thread of ${name} ended before its profile was ready`)
    case 'failed':
      throw service.error('INTERNAL', `the profile of ${name} could not be recorded: ${outcome.why}`)
  }
}
