import type { Instant } from '@str0m/sans-io'
import { Aimd } from './aimd.ts'
import { InterArrival } from './inter-arrival.ts'
import { OveruseDetector, type PathUsage } from './overuse-detector.ts'
import { Trendline } from './trendline.ts'

/** After so many ms without a packet that came, what was measured before tells nothing of the path as it is now. */
const SILENCE = 2000

/**
 * The part of the estimate that follows the delay: groups of packets, the slope of their delay, the detector, the rate (draft-ietf-rmcat-gcc-02
 * section 5).
 */
export class DelayControl {
  readonly #interArrival = new InterArrival()
  readonly #trendline = new Trendline()
  readonly #detector = new OveruseDetector()
  readonly #aimd: Aimd
  #packetAt: Instant = Number.NEGATIVE_INFINITY
  #recovered = false

  constructor(initial: number, min: number, max: number) {
    this.#aimd = new Aimd(initial, min, max)
  }

  /** Bits per second. */
  get bitrate(): number {
    return this.#aimd.bitrate
  }

  get usage(): PathUsage {
    return this.#detector.usage
  }

  /** ms. */
  set roundTripTime(roundTripTime: number) {
    this.#aimd.roundTripTime = roundTripTime
  }

  /** A packet came, told of at `now`, in the order of arrival. */
  addPacket(now: Instant, sentAt: Instant, arrival: number): void {
    if (now - this.#packetAt > SILENCE) this.reset()
    this.#packetAt = now
    const interArrival = this.#interArrival
    if (!interArrival.add(now, sentAt, arrival)) return
    const { usage } = this.#detector
    const trendline = this.#trendline
    const { sendDelta, arrivalDelta } = interArrival
    trendline.add(sendDelta, arrivalDelta, arrival)
    this.#detector.update(trendline.slope, trendline.groups, sendDelta, arrival)
    if (usage === 'underuse' && this.#detector.usage === 'normal') this.#recovered = true
  }

  /**
   * All packets of a feedback were added. `probed`: bits per second that a probe has shown; `saturated`: and no more. `applicationLimited`: less is sent than
   * could be.
   */
  update(
    now: Instant,
    acknowledged: number | undefined,
    probed: number | undefined,
    saturated: boolean,
    applicationLimited: boolean,
  ): void {
    const aimd = this.#aimd
    const { usage } = this.#detector
    if (usage === 'overuse') {
      if (!aimd.mayDecrease(now, acknowledged)) return
      // too much, and not yet known how much would be enough
      if (acknowledged === undefined) aimd.set(now, aimd.bitrate / 2)
      else aimd.update(now, usage, acknowledged, false)
    } else if (probed !== undefined) {
      aimd.handleProbe(now, probed, saturated)
    } else {
      aimd.update(now, usage, acknowledged, !applicationLimited)
    }
  }

  /** Whether a queue has drained since this was last asked. */
  takeRecovered(): boolean {
    const recovered = this.#recovered
    this.#recovered = false
    return recovered
  }

  /** The path does not take what was thought. */
  lower(now: Instant, bitrate: number): void {
    if (bitrate < this.#aimd.bitrate) this.#aimd.set(now, bitrate)
  }

  /** What was measured so far is of another time. The rate stays. */
  reset(): void {
    this.#interArrival.reset()
    this.#trendline.reset()
    this.#detector.reset()
  }
}
