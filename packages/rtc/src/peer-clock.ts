import { unixFromNtp } from '@str0m/rtp'
import type { Instant } from '@str0m/sans-io'

/** Milliseconds that a time of capture may lie from when the packet came: with more, the two are not of one clock. */
export const MAX_CLOCK_DEVIATION = 2000
/** Milliseconds in which reports count once: many streams report at the same time. */
const MIN_INTERVAL = 500
/** Milliseconds by which a report moves the offset: it follows clocks that run apart (by 50 ppm, say), and not how long single reports were under way. */
const MAX_SLEW = 0.5
/** So many reports in a row that do not fit are a clock that was set anew. */
const REPORTS_OF_NEW_CLOCK = 3

/**
 * Maps the wall clock that a peer's sender reports state to ours, the one that `Instant` is of. All streams of a peer have one clock and so one offset: sound and
 * picture stay to each other as their sender says, whichever took longer on its way. The offset is that of the first report, so the time of a capture
 * is late by as much as that one was under way.
 *
 * What a peer reports need not be true, nor of one clock (one that forwards may state those of others): what does not fit is not believed.
 */
export class PeerClock {
  /** Our clock less the peer's. */
  #offset: number | undefined
  #movedAt: Instant = Number.NEGATIVE_INFINITY
  /** Reports in a row that did not fit, and when the last of them that counts came. */
  #misfits = 0
  #misfitAt: Instant = Number.NEGATIVE_INFINITY

  /** Takes the NTP time of a sender report that came at `now`. */
  handleReport(now: Instant, ntpTime: bigint): void {
    // RFC 3550 section 6.4.1: zero is said by a sender that has no clock
    if (ntpTime === 0n) return
    const measured = now - unixFromNtp(ntpTime)
    const off = measured - (this.#offset ?? measured)
    if (Math.abs(off) <= MAX_CLOCK_DEVIATION) {
      this.#misfits = 0
      if (now - this.#movedAt < MIN_INTERVAL) return
      this.#movedAt = now
      this.#offset = measured - off + Math.max(-MAX_SLEW, Math.min(off, MAX_SLEW))
      return
    }
    if (this.#misfits > 0 && now - this.#misfitAt < MIN_INTERVAL) return
    this.#misfitAt = now
    if (++this.#misfits < REPORTS_OF_NEW_CLOCK) return
    this.#misfits = 0
    this.#offset = measured
  }

  /**
   * When the peer's clock showed `captureTime` (milliseconds since 1970), for a packet that came at `now`; `undefined` before a report, and where the two do not
   * fit.
   */
  instantOf(captureTime: number | undefined, now: Instant): Instant | undefined {
    if (captureTime === undefined || this.#offset === undefined) return undefined
    const at = captureTime + this.#offset
    return Math.abs(at - now) <= MAX_CLOCK_DEVIATION ? at : undefined
  }
}
