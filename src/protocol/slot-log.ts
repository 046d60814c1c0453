/**
 * The slots of a service in a process of its own. Two Node processes cannot share memory, but they can share a file.
 *
 * A side claims a method by appending a record to the file: the thread to begin it, the control thread to revoke it.
 * The operating system puts all appends in one order, and the first record of a method decides (P3). Records outlive
 * the process that appended them, so the control thread knows exactly what a killed process had begun.
 *
 * There are two files, so that none grows for ever. Sequence numbers are divided into blocks; even blocks use one file,
 * odd blocks the other. The thread begins methods in the order in which they were handed over. So once it has begun one
 * method of a block, the block before is finished, and its file is emptied for the block after. Both files are unlinked
 * as soon as they are open: nothing is left on disk, however the processes end.
 */
import { closeSync, ftruncateSync, readSync, writeSync } from 'node:fs'
import type { LogPair, SharedLog, Slots, ThreadSlots } from './slots.ts'

const SEQUENCES_PER_BLOCK = 2 ** 15
const BLOCKS = 2 ** 31 / SEQUENCES_PER_BLOCK
/** A record is two integers: slot and claim. */
const RECORD_WORDS = 2
const CHUNK_RECORDS = 512

const blockOf = (sequence: number) => Math.floor(sequence / SEQUENCES_PER_BLOCK)

/** @param claim the sequence number of a method that has begun; negated if it was revoked */
type OnClaim = (slot: number, claim: number) => void

/** One of the two files, with the position up to which this side has read it. */
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

  /** Reads the records that were appended since the last read, in their order. */
  read(onClaim: OnClaim): void {
    const recordBytes = RECORD_WORDS * Int32Array.BYTES_PER_ELEMENT
    for (;;) {
      const bytes = readSync(this.#fd, this.#chunk, 0, this.#chunk.byteLength, this.#position)
      for (let at = 0; at + recordBytes <= bytes; at += recordBytes) {
        const word = at / Int32Array.BYTES_PER_ELEMENT
        const claim = this.#chunk[word + 1] as number
        // The file has grown already, but the new record is not visible yet: it reads as zeros.
        if (claim === 0) return
        this.#position += recordBytes
        onClaim(this.#chunk[word] as number, claim)
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

/** The side of the control thread. */
export class SlotLog implements Slots {
  readonly shared: SharedLog
  readonly #files: LogPair<LogFile>
  /** As in a `SlotTable`: the method in each slot, negated once its begin was read. */
  readonly #slots: Int32Array
  /** The block of the last method that was handed over. */
  #block = 0
  /** The block of the last method that began. */
  #begunBlock = 0
  #closed = false

  /**
   * @param fds the file descriptors of this process
   * @param shared holds the file descriptors of the service's process
   */
  constructor(fds: LogPair<number>, shared: SharedLog) {
    this.shared = shared
    this.#files = [new LogFile(fds[0]), new LogFile(fds[1])]
    this.#slots = new Int32Array(shared.length)
  }

  get length(): number {
    return this.#slots.length
  }

  hand(slot: number, sequence: number): void {
    if (blockOf(sequence) !== this.#block) this.#enterBlock(blockOf(sequence))
    this.#slots[slot] = sequence
  }

  revoke(slot: number, sequence: number): boolean {
    if (this.#slots[slot] !== sequence) return false
    // The process has ended, and all its records were read: this method has not begun.
    if (this.#closed) this.#slots[slot] = 0
    else this.#claim(slot, sequence)
    return this.#slots[slot] === 0
  }

  #claim(slot: number, sequence: number): void {
    try {
      this.#fileOf(sequence).append(slot, -sequence)
    } catch {
      // The disk is full: the method was not revoked, and stays with the thread.
    }
    this.#readFileOf(sequence)
  }

  hasBegun(slot: number, sequence: number): boolean {
    if (this.#slots[slot] === sequence && !this.#closed) this.#readFileOf(sequence)
    return this.#slots[slot] === -sequence
  }

  /** The process has ended: reads its last records, and closes the files. */
  close(): void {
    if (this.#closed) return
    for (const file of this.#files) {
      file.read(this.#onClaim)
      file.close()
    }
    this.#closed = true
  }

  #fileOf(sequence: number): LogFile {
    return this.#files[blockOf(sequence) % 2] as LogFile
  }

  #readFileOf(sequence: number): void {
    this.#fileOf(sequence).read(this.#onClaim)
  }

  readonly #onClaim: OnClaim = (slot, claim) => {
    const handed = this.#slots[slot] as number
    if (claim > 0) this.#begunBlock = blockOf(claim)
    if (handed > 0 && handed === Math.abs(claim)) this.#slots[slot] = claim > 0 ? -handed : 0
  }

  /** Prepares the file of a block for its first method. */
  #enterBlock(block: number): void {
    if (this.#closed) return
    const before = (block + BLOCKS - 1) % BLOCKS
    const [file, fileBefore] = [this.#files[block % 2] as LogFile, this.#files[before % 2] as LogFile]
    file.read(this.#onClaim)
    fileBefore.read(this.#onClaim)
    // Emptied only if the thread has finished the last block of this file. Otherwise methods of that block may still
    // wait in the thread, which has to find their revocations: then the file goes on growing.
    if (this.#begunBlock === before) file.empty()
    file.rewind()
    this.#block = block
  }
}

/** One of the two files, with what the thread has read in it about the present block. */
interface BlockFile {
  file: LogFile
  block: number
  revoked: Set<number>
}

/** The side of the service's thread. */
export class ThreadSlotLog implements ThreadSlots {
  readonly length: number
  readonly #files: LogPair<BlockFile>

  constructor({ length, fds }: SharedLog) {
    const open = (fd: number) => ({ file: new LogFile(fd), block: -1, revoked: new Set<number>() })
    this.length = length
    this.#files = [open(fds[0]), open(fds[1])]
  }

  isHanded(_slot: number, sequence: number): boolean {
    const { file, revoked } = this.#fileOf(sequence)
    file.read((_, claim) => {
      if (claim < 0) revoked.add(-claim)
    })
    return !revoked.has(sequence)
  }

  begin(slot: number, sequence: number): boolean {
    const { file, revoked } = this.#fileOf(sequence)
    file.append(slot, sequence)
    let begun = false
    file.read((_, claim) => {
      // A revocation counts only if it stands before the begin.
      if (claim === sequence) begun = !revoked.has(sequence)
      else if (claim < 0) revoked.add(-claim)
    })
    return begun
  }

  #fileOf(sequence: number): BlockFile {
    const block = blockOf(sequence)
    const blockFile = this.#files[block % 2] as BlockFile
    if (blockFile.block !== block) {
      blockFile.block = block
      blockFile.file.rewind()
      blockFile.revoked.clear()
    }
    return blockFile
  }
}
