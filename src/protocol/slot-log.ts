/**
 * The slots of a service in a process of its own. Two processes share no memory in Node, but they can share a file:
 * each side claims a method by appending to it, the thread its *begin*, the control thread its *revoke*. The system
 * gives all appends one order, and whoever stands first in it has the method (P3). What was appended is there however
 * the process ends, so that nothing about its last moment has to be guessed.
 *
 * There are two files, which take turns by blocks of sequence numbers, so that neither grows for ever. The thread begins
 * methods in the order they were handed: once it has begun one of a block, nobody needs the block before, and its file is
 * emptied for the block after. They are unlinked as soon as they are open: whatever dies, nothing is left behind.
 */
import { randomUUID } from 'node:crypto'
import { closeSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LogPair, SharedLog, Slots, ThreadSlots } from './slots.ts'

const SEQUENCES_PER_BLOCK = 2 ** 15
const BLOCKS = 2 ** 31 / SEQUENCES_PER_BLOCK
const RECORD_WORDS = 2
const CHUNK_RECORDS = 512

const blockOf = (sequence: number) => Math.floor(sequence / SEQUENCES_PER_BLOCK)

/** A slot, and the sequence number of a method that begins there, negated if it was revoked. */
type Reader = (slot: number, claim: number) => void

/** A file that both sides append to, as one of them sees it. */
class LogFile {
  readonly #fd: number
  readonly #chunk = new Int32Array(CHUNK_RECORDS * RECORD_WORDS)
  #position = 0

  constructor(fd: number) {
    this.#fd = fd
  }

  append(slot: number, claim: number): void {
    writeSync(this.#fd, Int32Array.of(slot, claim))
  }

  /** What was appended since the last look, in the order that holds for both sides. */
  read(reader: Reader): void {
    const recordBytes = RECORD_WORDS * Int32Array.BYTES_PER_ELEMENT
    for (;;) {
      const bytes = readSync(this.#fd, this.#chunk, 0, this.#chunk.byteLength, this.#position)
      for (let at = 0; at + recordBytes <= bytes; at += recordBytes) {
        const word = at / Int32Array.BYTES_PER_ELEMENT
        const claim = this.#chunk[word + 1] as number
        // The file is longer already, but its new end is not to be seen yet.
        if (claim === 0) return
        this.#position += recordBytes
        reader(this.#chunk[word] as number, claim)
      }
      if (bytes < this.#chunk.byteLength) return
    }
  }

  rewind(): void {
    this.#position = 0
  }

  empty(): void {
    ftruncateSync(this.#fd)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** Two new files that nobody can find. */
export function openLogFiles(): LogPair<number> {
  const open = () => {
    const path = join(tmpdir(), `threadplane-${randomUUID()}`)
    const fd = openSync(path, 'ax+', 0o600)
    unlinkSync(path)
    return fd
  }
  return [open(), open()]
}

/** The side of the control thread. */
export class SlotLog implements Slots {
  readonly shared: SharedLog
  readonly #files: LogPair<LogFile>
  /** As in a `SlotTable`: the method handed in each slot, negated once it is known to have begun. */
  readonly #slots: Int32Array
  #block = 0
  /** That of the method that was the last to begin. */
  #begunBlock = 0
  #closed = false

  /** @param shared with the file descriptors of the service's process */
  constructor(fds: LogPair<number>, shared: SharedLog) {
    this.shared = shared
    this.#files = [new LogFile(fds[0]), new LogFile(fds[1])]
    this.#slots = new Int32Array(shared.length)
  }

  get length(): number {
    return this.#slots.length
  }

  hand(slot: number, sequence: number): void {
    if (blockOf(sequence) !== this.#block) this.#enter(blockOf(sequence))
    this.#slots[slot] = sequence
  }

  revoke(slot: number, sequence: number): boolean {
    if (this.#slots[slot] !== sequence) return false
    // Of a process that has ended everything is known.
    if (this.#closed) this.#slots[slot] = 0
    else this.#claim(slot, sequence)
    return this.#slots[slot] === 0
  }

  #claim(slot: number, sequence: number): void {
    try {
      this.#fileOf(sequence).append(slot, -sequence)
    } catch {
      // The disk is full: the method stays where it is.
    }
    this.#look(sequence)
  }

  hasBegun(slot: number, sequence: number): boolean {
    if (this.#slots[slot] === sequence && !this.#closed) this.#look(sequence)
    return this.#slots[slot] === -sequence
  }

  /** The process has ended: what it had begun is known now, and no more comes. */
  close(): void {
    if (this.#closed) return
    for (const file of this.#files) {
      file.read(this.#claimed)
      file.close()
    }
    this.#closed = true
  }

  #fileOf(sequence: number): LogFile {
    return this.#files[blockOf(sequence) % 2] as LogFile
  }

  #look(sequence: number): void {
    this.#fileOf(sequence).read(this.#claimed)
  }

  readonly #claimed: Reader = (slot, claim) => {
    const handed = this.#slots[slot] as number
    if (claim > 0) this.#begunBlock = blockOf(claim)
    if (handed > 0 && handed === Math.abs(claim)) this.#slots[slot] = claim > 0 ? -handed : 0
  }

  #enter(block: number): void {
    if (this.#closed) return
    const before = (block + BLOCKS - 1) % BLOCKS
    const [file, fileBefore] = [this.#files[block % 2] as LogFile, this.#files[before % 2] as LogFile]
    file.read(this.#claimed)
    fileBefore.read(this.#claimed)
    // Otherwise it grows: what was revoked there may still lie before the thread.
    if (this.#begunBlock === before) file.empty()
    file.rewind()
    this.#block = block
  }
}

/** What the thread knows of one of the files. */
interface Side {
  file: LogFile
  block: number
  revoked: Set<number>
}

/** The side of the service's thread. */
export class ThreadSlotLog implements ThreadSlots {
  readonly length: number
  readonly #sides: LogPair<Side>

  constructor({ length, fds }: SharedLog) {
    const side = (fd: number) => ({ file: new LogFile(fd), block: -1, revoked: new Set<number>() })
    this.length = length
    this.#sides = [side(fds[0]), side(fds[1])]
  }

  isHanded(_slot: number, sequence: number): boolean {
    const { file, revoked } = this.#sideOf(sequence)
    file.read((_, claim) => {
      if (claim < 0) revoked.add(-claim)
    })
    return !revoked.has(sequence)
  }

  begin(slot: number, sequence: number): boolean {
    const { file, revoked } = this.#sideOf(sequence)
    file.append(slot, sequence)
    let begun = false
    file.read((_, claim) => {
      // What is revoked after it has begun is not revoked.
      if (claim === sequence) begun = !revoked.has(sequence)
      else if (claim < 0) revoked.add(-claim)
    })
    return begun
  }

  #sideOf(sequence: number): Side {
    const block = blockOf(sequence)
    const side = this.#sides[block % 2] as Side
    if (side.block !== block) {
      side.block = block
      side.file.rewind()
      side.revoked.clear()
    }
    return side
  }
}
