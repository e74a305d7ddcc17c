import type { PacerPriority } from '@str0m/bwe'
import type { StreamTx } from '@str0m/rtp'
import type { Instant, Ssrc } from '@str0m/sans-io'
import type { BandwidthControl } from './bandwidth-control.ts'
import { type PlainPacket, protect, type Repetition } from './plain-packet.ts'
import type { Transport } from './transport.ts'

/** How packets of media leave: at once, or, where the bandwidth is estimated, when their turn comes. */
export class Egress {
  readonly #transport: Transport
  readonly #control: BandwidthControl | undefined

  constructor(transport: Transport, control: BandwidthControl | undefined) {
    this.#transport = transport
    this.#control = control
  }

  /** Bytes that protecting a packet adds; 0 before it is known what does. */
  get overhead(): number {
    return this.#transport.outbound?.rtpOverhead ?? 0
  }

  /** Whether packets are to have room for a transport-wide number: the peer tells when they came by it. */
  get numbers(): boolean {
    return this.#control?.numbers === true
  }

  /** Sends a packet. How long it waits is counted for `stream`. */
  send(
    now: Instant,
    packet: PlainPacket,
    stream: StreamTx,
    priority: PacerPriority,
    repetition: Repetition,
  ): void {
    if (this.#control?.active === true) {
      this.#control.push(now, packet, stream, priority, repetition)
      return
    }
    const { outboundMedia } = this.#transport
    if (outboundMedia !== undefined) this.#transport.transmit(protect(packet, outboundMedia))
  }

  /** Whether the packet of this source and number waits for its turn. */
  holds(ssrc: Ssrc, sequenceNumber: number): boolean {
    return this.#control?.holds(ssrc, sequenceNumber) === true
  }

  /** Nothing more is sent of a source. */
  forget(ssrc: Ssrc): void {
    this.#control?.forget(ssrc)
  }

  /** Whether no packet of this source and number was given yet, as far back as that is known: each is encrypted with its own keystream (RFC 3711 section 9.1). */
  isFresh(ssrc: Ssrc, sequenceNumber: number): boolean {
    const srtp = this.#transport.outbound
    if (srtp === undefined) return true
    if (this.#control?.isTaken(ssrc, sequenceNumber, srtp.replayWindow) === true) return false
    return srtp.isFresh(ssrc, sequenceNumber)
  }
}
