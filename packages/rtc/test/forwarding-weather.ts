import { Link } from '@str0m/netem'
import { DtlsCertificate } from '@str0m/dtls'
import { type LinkOptions } from '@str0m/netem'
import { ExtensionIds, parseRtpHeader, readHeaderExtensions } from '@str0m/rtp'
import { type Instant, serial16, type SeededRandom } from '@str0m/sans-io'
import { Candidate, Rtc, type RtcEvent, type RtcOptions, type Transmit } from '../src/index.ts'
import { received, seededCrypto } from './harness.ts'

// Peers in pairs, each pair with a link of its own, and one clock: what a server that forwards has around it.

/** Some day, as milliseconds since 1970. */
export const DAY = 1_800_000_000_000
/** Of all: making one is what takes the longest in a run. */
const CERTIFICATE = DtlsCertificate.generate()
/** Events of all machines in a millisecond: more is a loop. */
const MAX_STEPS = 5000
/** Outputs of one machine without a pause. */
const MAX_OUTPUTS = 20_000

/** A clock that runs at its own pace: that of the world times `rate`, plus `offset`. */
export interface Pace {
  readonly rate: number
  readonly offset: number
}

const TRUE_PACE: Pace = { rate: 1, offset: 0 }

/** One end of a line: an `Rtc`, by the clock that it goes by. */
export class End {
  readonly rtc: Rtc
  readonly #pace: Pace
  #lateWakes = 0
  /** On the clock of the world. */
  wakeAt: Instant = 0
  isDirty = true

  constructor(options: RtcOptions, seed: number, pace: Pace, address: string) {
    this.#pace = pace
    const wallClock = { now: pace.offset, unixTime: DAY + pace.offset }
    this.rtc = new Rtc({ crypto: seededCrypto(seed), certificate: CERTIFICATE, wallClock, ...options })
    this.rtc.addLocalCandidate(Candidate.host(address, 'udp'))
  }

  local(now: Instant): Instant {
    return now * this.#pace.rate + this.#pace.offset
  }

  /** Tells the time, before a method is called. */
  touch(now: Instant): Rtc {
    this.rtc.handleInput({ kind: 'timeout', now: this.local(now) })
    this.isDirty = true
    return this.rtc
  }

  take(now: Instant, datagram: Transmit): void {
    this.rtc.handleInput(received(this.local(now), datagram))
    this.isDirty = true
  }

  wake(now: Instant): void {
    this.rtc.handleInput({ kind: 'timeout', now: Math.max(this.local(now), this.#due) })
    this.isDirty = true
  }

  #due: Instant = 0

  drain(now: Instant, transmit: (datagram: Transmit) => void, handle: (event: RtcEvent) => void): void {
    this.isDirty = false
    for (let i = 0; ; i++) {
      if (i > MAX_OUTPUTS) throw new Error('a machine has no end of output')
      const output = this.rtc.pollOutput()
      if (output.kind === 'transmit') transmit(output)
      else if (output.kind === 'event') handle(output.event)
      else {
        this.#due = output.at
        this.wakeAt = (output.at - this.#pace.offset) / this.#pace.rate
        this.#lateWakes = this.wakeAt <= now ? this.#lateWakes + 1 : 0
        if (this.#lateWakes > 50) throw new Error(`a deadline does not advance: ${output.at}`)
        return
      }
    }
  }
}

/** Two peers, `far` and the server's `near`, and what lies between. */
export class Line {
  readonly near: End
  readonly far: End
  /** From the far one to the near one, and back. */
  readonly up: Link<Transmit>
  readonly down: Link<Transmit>
  /** Sees what the near one sends. */
  onSent: ((datagram: Transmit) => void) | undefined
  onNear: (event: RtcEvent) => void = () => {}
  onFar: (event: RtcEvent) => void = () => {}
  /** Whether reports of the far one are lost. */
  isSilent = false
  #portShift = 0

  constructor(seed: number, options: { near: RtcOptions; far: RtcOptions; pace?: Pace }) {
    this.near = new End(options.near, 2 * seed, TRUE_PACE, '192.0.2.1:5000')
    this.far = new End(options.far, 2 * seed + 1, options.pace ?? TRUE_PACE, '192.0.2.2:6000')
    this.up = new Link(2 * seed, { latency: 20 })
    this.down = new Link(2 * seed + 1, { latency: 20 })
  }

  get connected(): boolean {
    return this.near.rtc.connected && this.far.rtc.connected
  }

  configure(now: Instant, options: LinkOptions): void {
    this.up.configure(now, options)
    this.down.configure(now, options)
  }

  blackout(from: Instant, until: Instant): void {
    this.up.addOutage(from, until)
    this.down.addOutage(from, until)
  }

  /** The far one is seen at another address from now on. */
  rebind(): void {
    this.#portShift++
  }

  /** Offers what `change` says, by either side. */
  negotiate(now: Instant, from: 'near' | 'far', change: (set: ReturnType<Rtc['createOffer']>) => void): void {
    const [offerer, answerer] = from === 'near' ? [this.near, this.far] : [this.far, this.near]
    const set = offerer.touch(now).createOffer()
    change(set)
    const answer = answerer.touch(now).acceptOffer(set.apply())
    offerer.rtc.pendingChanges()!.acceptAnswer(answer)
  }

  drain(now: Instant): void {
    while (this.near.isDirty || this.far.isDirty) {
      if (this.near.isDirty) {
        this.near.drain(
          now,
          (datagram) => {
            this.onSent?.(datagram)
            this.down.send(now, datagram)
          },
          this.onNear,
        )
      }
      if (this.far.isDirty) {
        this.far.drain(
          now,
          (datagram) => {
            if (this.isSilent && isSenderReport(datagram.contents)) return
            this.up.send(now, datagram)
          },
          this.onFar,
        )
      }
    }
  }

  get nextAt(): Instant {
    return Math.min(this.near.wakeAt, this.far.wakeAt, this.up.nextAt(), this.down.nextAt())
  }

  step(now: Instant): void {
    const shift = this.#portShift
    for (let datagram = this.up.poll(now); datagram !== undefined; datagram = this.up.poll(now)) {
      const { address, port } = datagram.source
      this.near.take(now, { ...datagram, source: { address, port: port + shift } })
    }
    for (let datagram = this.down.poll(now); datagram !== undefined; datagram = this.down.poll(now)) {
      const { address, port } = datagram.destination
      if (port === 6000 + shift) this.far.take(now, { ...datagram, destination: { address, port: 6000 } })
    }
    if (this.near.wakeAt <= now) this.near.wake(now)
    if (this.far.wakeAt <= now) this.far.wake(now)
  }
}

/** All lines, on one clock. */
export class World {
  readonly lines = new Set<Line>()
  now: Instant = 0

  runUntil(end: Instant): void {
    let steps = 0
    let from = this.now
    for (;;) {
      let at = Number.POSITIVE_INFINITY
      // what came to one may go out on another
      for (let again = true; again;) {
        again = false
        for (const line of this.lines) {
          if (!line.near.isDirty && !line.far.isDirty) continue
          line.drain(this.now)
          again = true
        }
      }
      for (const line of this.lines) at = Math.min(at, line.nextAt)
      if (at > end) {
        this.now = end
        return
      }
      this.now = Math.max(this.now, at)
      if (++steps > MAX_STEPS) throw new Error(`no end of steps at ${this.now}`)
      if (this.now >= from + 1) {
        from = this.now
        steps = 0
      }
      for (const line of this.lines) if (line.nextAt <= this.now) line.step(this.now)
    }
  }
}

const isRtp = (contents: Uint8Array): boolean =>
  contents[0]! >> 6 === 2 && !(contents[1]! >= 192 && contents[1]! <= 223)

const isSenderReport = (contents: Uint8Array): boolean => contents[0]! >> 6 === 2 && contents[1] === 200

/** Looks at what a server sends to one subscriber, as anyone on the way can: headers are not encrypted. */
export class WireCheck {
  readonly problems: (problem: string) => void
  readonly #rtc: Rtc
  readonly #sent = new Map<number, { readonly payload: Uint8Array; readonly number: number | undefined }>()
  #transportNumber: number | undefined

  constructor(rtc: Rtc, problems: (problem: string) => void) {
    this.#rtc = rtc
    this.problems = problems
  }

  readonly see = ({ contents }: Transmit): void => {
    if (contents.length > 1300) this.problems(`a datagram of ${contents.length} bytes`)
    if (!isRtp(contents)) return
    const header = parseRtpHeader(contents, contents.length, true)
    if (header === undefined) return this.problems('a packet that cannot be read')
    const { ssrc, sequenceNumber, payloadStart } = header
    const media = this.#rtc.medias.find(({ localStreams }) =>
      localStreams.some((stream) => stream.ssrc === ssrc || stream.rtxSsrc === ssrc),
    )
    if (media === undefined) return this.problems(`a packet of a source that is not ours: ${ssrc}`)
    const extensions = readHeaderExtensions(contents, header, media.extensionIds ?? new ExtensionIds())
    if (extensions.mid !== media.mid) this.problems(`a mid ${extensions.mid} where it is ${media.mid}`)
    if (extensions.rid !== undefined || extensions.repairedRid !== undefined)
      this.problems('a rid went through')
    // without the tag, whose length is that of the profile
    const payload = contents.slice(payloadStart, -16)
    const number = extensions.transportSequenceNumber
    const key = ssrc * 0x1_0000 + sequenceNumber
    const before = this.#sent.get(key)
    if (before === undefined) {
      this.#number(number)
      this.#sent.set(key, { payload, number })
      return
    }
    // what is sent again is the same, with the number that it had
    if (Buffer.compare(before.payload, payload) !== 0)
      this.problems(`number ${sequenceNumber} of ${ssrc} was given out twice`)
    if (before.number !== number)
      this.problems(`number ${sequenceNumber} of ${ssrc} went again as ${number}, not ${before.number}`)
  }

  #number(number: number | undefined): void {
    if (number === undefined) return
    const before = this.#transportNumber
    if (before !== undefined && serial16.diff(number, before) !== 1)
      this.problems(`transport-wide number ${number} after ${before}`)
    this.#transportNumber = number
  }
}

export function pick<T>(random: SeededRandom, of: readonly T[]): T {
  return of[random.integer(of.length)]!
}
