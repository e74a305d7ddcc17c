import { OutputQueue } from '@str0m/sans-io'
import type { Settings } from './options.ts'
import { countDrop, type Counters } from './statistics.ts'
import { COMMON_HEADER, SACK_HEADER, TLV_HEADER } from './wire/constants.ts'
import { makeChunk, PacketWriter } from './wire/packet.ts'

/** Packets, and control chunks, that wait to be polled, at most; an answer that does not fit is not given. */
const MAX_CONTROL_QUEUE = 64
/** Bytes of a peer's HEARTBEAT or unknown chunk that are sent back, at most; less where packets are small. */
const MAX_ECHOED = 512
const EMPTY = new Uint8Array(0)

/** What waits to be sent beside data: whole packets, and chunks that go along with others. */
export class Outbox {
  readonly #settings: Settings
  readonly #counters: Counters
  readonly #datagrams = new OutputQueue<Uint8Array>()
  readonly #control = new OutputQueue<Uint8Array>()

  constructor(settings: Settings, counters: Counters) {
    this.#settings = settings
    this.#counters = counters
  }

  /** Bytes of the value of a control chunk, at most: it fits in a packet, beside a SACK without blocks. */
  get maxEchoed(): number {
    const room = this.#settings.maxPacketSize - COMMON_HEADER - TLV_HEADER - SACK_HEADER
    return Math.min(MAX_ECHOED, room & ~3)
  }

  get hasControl(): boolean {
    return this.#control.length > 0
  }

  writer(capacity: number, verificationTag: number): PacketWriter {
    const { localPort, remotePort } = this.#settings
    const header = { sourcePort: localPort, destinationPort: remotePort, verificationTag }
    return new PacketWriter(capacity, header, this.#settings)
  }

  /** Queues a packet of one chunk by itself, always with its checksum. */
  sendAlone(verificationTag: number, type: number, flags = 0, value: Uint8Array = EMPTY): void {
    if (this.#datagrams.length >= MAX_CONTROL_QUEUE) {
      countDrop(this.#counters, 'control-queue-full')
      return
    }
    const writer = this.writer(COMMON_HEADER + ((value.length + 7) & ~3), verificationTag)
    writer.append(makeChunk(type, flags, value))
    this.#datagrams.push(writer.finish(true))
  }

  /** Queues a chunk that goes with whatever goes next. Its value has at most `maxEchoed` bytes. */
  sendControl(type: number, value: Uint8Array = EMPTY): void {
    if (this.#control.length >= MAX_CONTROL_QUEUE) countDrop(this.#counters, 'control-queue-full')
    else this.#control.push(makeChunk(type, 0, value))
  }

  /** The next whole packet. */
  poll(): Uint8Array | undefined {
    return this.#datagrams.shift()
  }

  /** Writes control chunks; room for a SACK stays. */
  writeControl(writer: PacketWriter): void {
    for (let chunk = this.#control.shift(); chunk !== undefined; chunk = this.#control.shift()) {
      writer.append(chunk)
      if (writer.room < this.maxEchoed + 64) return
    }
  }

  /** Forgets the chunks of an association that is no more; packets still go. */
  clearControl(): void {
    this.#control.clear()
  }
}
