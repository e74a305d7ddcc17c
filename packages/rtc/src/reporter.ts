import type { SrtpContext } from '@str0m/srtp'
import { MAX_COUNT, type ReportBlock, type Rtcp, SDES_CNAME, writeRtcp } from '@str0m/rtp'
import { type Instant, NEVER, type RandomSource, type Ssrc } from '@str0m/sans-io'
import type { Receiver } from './receivers.ts'

/** Milliseconds between reports, times 0.5 to 1.5: RFC 3550 section 6.2, with the reduced minimum that RFC 4585 section 3.5.2 allows. */
const REPORT_INTERVAL = 1000

/** Writes our RTCP: receiver reports while something comes in, and feedback when it is wanted. */
export class Reporter {
  /** Our SSRC in reports, where we send no media. */
  readonly ssrc: Ssrc
  /** RFC 7022 section 4.2: of one session, and of no use outside it. */
  readonly cname: string
  /** RFC 5506: feedback may go without a report before it. */
  reducedSize = false
  readonly #random: () => number
  #reportAt: Instant = NEVER

  constructor(ssrc: Ssrc, cname: string, random: RandomSource) {
    this.ssrc = ssrc
    this.cname = cname
    const byte = new Uint8Array(1)
    this.#random = () => {
      random(byte)
      return byte[0]! / 256
    }
  }

  /** When reports are next due; `Infinity` while nothing comes in. */
  get deadline(): Instant {
    return this.#reportAt
  }

  /** Something came in: a report is to follow. */
  noteReceived(now: Instant): void {
    if (this.#reportAt === NEVER) this.#reportAt = now + REPORT_INTERVAL * (0.5 + this.#random())
  }

  /** The reports on what came in since the last ones, as datagrams. */
  reports(now: Instant, receivers: readonly Receiver[], srtp: SrtpContext): Uint8Array[] {
    this.#reportAt = NEVER
    const datagrams: Uint8Array[] = []
    for (let i = 0; i < receivers.length; i += MAX_COUNT) {
      const blocks = receivers
        .slice(i, i + MAX_COUNT)
        .map(({ stream }) => stream.report(now))
        .filter((block) => block !== undefined)
      datagrams.push(protect(srtp, this.#compound(blocks)))
    }
    return datagrams
  }

  /** A datagram of feedback. */
  feedback(feedback: readonly Rtcp[], srtp: SrtpContext): Uint8Array {
    return protect(srtp, this.reducedSize ? feedback : [...this.#compound([]), ...feedback])
  }

  /** RFC 3550 section 6.1: a report first, then the name. */
  #compound(reports: readonly ReportBlock[]): Rtcp[] {
    return [
      { type: 'receiverReport', ssrc: this.ssrc, reports },
      {
        type: 'sourceDescription',
        chunks: [{ ssrc: this.ssrc, items: [{ type: SDES_CNAME, text: this.cname }] }],
      },
    ]
  }
}

function protect(srtp: SrtpContext, packets: readonly Rtcp[]): Uint8Array {
  const plain = writeRtcp(packets)
  const datagram = new Uint8Array(plain.length + srtp.rtcpOverhead)
  datagram.set(plain)
  return datagram.subarray(0, srtp.protectRtcp(datagram, plain.length))
}
