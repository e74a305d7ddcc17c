import { UsageError } from '@str0m/sans-io'
import { KeystreamAhead } from './keystream.ts'
import { guessPacketIndex } from './packet-index.ts'
import { ReplayWindow } from './replay-window.ts'
import type { TableStream } from './stream-table.ts'

/** One more than the highest SRTCP index, RFC 3711 section 3.4. */
export const RTCP_INDEX_END: number = 2 ** 31

/** What a context knows of one SSRC's RTP packets, in one direction. What stays is the highest index. */
export class RtpStream implements TableStream<number> {
  readonly ssrc: number
  readonly window: ReplayWindow
  readonly ahead: KeystreamAhead = new KeystreamAhead()
  isAwake = false
  usedAt = 0
  /** The rollover counter of the first packet. */
  initialRollover = 0

  constructor(ssrc: number, replayWindow: number) {
    this.ssrc = ssrc
    this.window = new ReplayWindow(replayWindow)
  }

  /** The index of the packet with this sequence number. */
  guessIndex(sequenceNumber: number): number {
    const { highest } = this.window
    if (highest < 0) return this.initialRollover * 0x1_0000 + sequenceNumber
    return guessPacketIndex(highest, sequenceNumber)
  }

  /** `undefined` before the first packet: a rollover counter that was told is not to be forgotten. */
  rest(): number | undefined {
    return this.window.highest < 0 ? undefined : this.window.highest
  }
}

/** What stays of an SSRC's RTCP packets. */
export interface RtcpRest {
  readonly highest: number
  readonly nextIndex: number
}

/** What a context knows of one SSRC's RTCP packets, in one direction. */
export class RtcpStream implements TableStream<RtcpRest> {
  readonly ssrc: number
  /** Of a receiver. */
  readonly window: ReplayWindow
  /** Of a sender: the index of its next packet. */
  nextIndex = 0
  isAwake = false
  usedAt = 0

  constructor(ssrc: number, replayWindow: number) {
    this.ssrc = ssrc
    this.window = new ReplayWindow(replayWindow)
  }

  rest(): RtcpRest {
    return { highest: this.window.highest, nextIndex: this.nextIndex }
  }

  /** The index of a sender's next packet. Throws a `UsageError` (`key-exhausted`) where all are used. */
  takeIndex(): number {
    if (this.nextIndex >= RTCP_INDEX_END) {
      throw new UsageError('key-exhausted', 'All 2^31 SRTCP packets are sent: set up a new master key')
    }
    return this.nextIndex++
  }
}
