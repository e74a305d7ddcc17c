import { datagramBytes, type Instant, NEVER } from '@str0m/sans-io'
import type { Delivery } from './acknowledgements.ts'
import type { RecordWriter } from './record-protection.ts'
import { keepRival } from './rivals.ts'
import { HANDSHAKE_HEADER_LENGTH, handshakeFragment, type HandshakeMessage } from './wire/handshake.ts'
import { ContentType, DTLS_1_2 } from './wire/protocol.ts'

/** One part of a flight: a handshake message, or the ChangeCipherSpec before a Finished. */
export interface FlightItem {
  readonly epoch: RecordWriter
  readonly message: HandshakeMessage | 'change-cipher-spec'
  /** Where the peer acknowledges what it has: nothing of that is sent again. */
  readonly delivery?: Delivery
}

export interface RetransmissionTimes {
  /** Milliseconds until a flight that stays unanswered is sent again. Doubles each time. */
  readonly initial: number
  /** The most that it doubles to, in milliseconds. */
  readonly max: number
}

/** Rival flights that are sent again together; the others follow the next time. */
const RIVALS_AT_ONCE_MAX = 16
/** An honest peer on a bad network mostly answers before. */
const TIMEOUTS_BEFORE_EARLIER = 3
/** Of the first timer: how long what was sent last may still be on its way, where the peer repeats its own flight. */
const REPEATS_APART = 0.5
/** The same where an ACK tells what is missing. */
const NEWS_APART = 0.125
const CHANGE_CIPHER_SPEC = new Uint8Array([1])
/** A fragment of fewer bytes is not worth its headers: the message starts in the next datagram. */
const FRAGMENT_LENGTH_MIN = 32

/**
 * The flight that was sent last, and its retransmission timer: RFC 4347 section 4.2.4. Knows nothing of
 * what is in it.
 */
export class Flight {
  readonly #mtu: number
  readonly #times: RetransmissionTimes
  readonly #output: (datagram: Uint8Array) => void
  /** What was sent last is at the end. Without an attacker there is one. */
  readonly #rivals: (readonly FlightItem[])[] = []
  #earlier: readonly FlightItem[] = []
  #timeouts = 0
  #deadline: Instant = NEVER
  #interval: number
  #sentAt: Instant = Number.NEGATIVE_INFINITY
  #repeats = false

  constructor(mtu: number, times: RetransmissionTimes, output: (datagram: Uint8Array) => void) {
    this.#mtu = mtu
    this.#times = times
    this.#output = output
    this.#interval = times.initial
  }

  /** When the timer runs out. */
  get deadline(): Instant {
    return this.#deadline
  }

  /**
   * Sends `items` now. With `repeats` they are sent again whenever the timer runs out; a last flight is sent
   * again only when the peer repeats its own.
   */
  send(items: readonly FlightItem[], now: Instant, repeats: boolean): void {
    this.#rivals.length = 0
    this.#earlier = []
    this.#timeouts = 0
    this.sendRival(items, now, repeats, 1)
  }

  /**
   * Sends `items` now, and from then on beside what was sent before: where a forgery may have made us choose
   * wrong, and only the peer's answer can tell. Of more than `max` the oldest goes.
   */
  sendRival(items: readonly FlightItem[], now: Instant, repeats: boolean, max: number): void {
    keepRival(this.#rivals, items, max)
    this.#repeats = repeats
    this.#interval = this.#times.initial
    this.#schedule(now)
    this.#transmit(items)
  }

  /**
   * Sends `items` again too, once the timer has run out several times on what was sent last: the flight before, of which the
   * peer may have seen a forgery alone.
   */
  keepEarlier(items: readonly FlightItem[]): void {
    this.#earlier = items
  }

  /** The timer ran out. */
  handleTimeout(now: Instant): void {
    if (++this.#timeouts >= TIMEOUTS_BEFORE_EARLIER) this.#transmit(this.#earlier)
    this.#interval = Math.min(this.#interval * 2, this.#times.max)
    this.#transmitAgain(now)
  }

  /**
   * The peer sent its flight again: so do we, unless what was sent last may still be on its way. The limit also
   * keeps anyone who repeats the peer's datagrams from drawing more than that in half the first timer.
   */
  handleRepeated(now: Instant): boolean {
    if (this.#rivals.length === 0 || now - this.#sentAt < this.#times.initial * REPEATS_APART) return false
    this.#transmitAgain(now)
    return true
  }

  /** The peer has something of `items`, or wants them again: sends what it lacks, unless that may still be on its way. */
  repeat(items: readonly FlightItem[], isNews: boolean, now: Instant): boolean {
    if (!this.#rivals.includes(items)) return false
    if (items.every(({ delivery }) => delivery?.isComplete === true)) {
      this.remove(items)
      return false
    }
    const apart = isNews ? NEWS_APART : REPEATS_APART
    if (now - this.#sentAt < this.#times.initial * apart) return false
    this.#schedule(now)
    this.#transmit(items)
    return true
  }

  /** The peer has all of `items`: they are not sent again. */
  remove(items: readonly FlightItem[]): void {
    const at = this.#rivals.indexOf(items)
    if (at < 0) return
    this.#rivals.splice(at, 1)
    if (this.#rivals.length === 0) this.clear()
  }

  /** Nothing is to be sent again. */
  clear(): void {
    this.#rivals.length = 0
    this.#earlier = []
    this.#deadline = NEVER
  }

  #schedule(now: Instant): void {
    this.#sentAt = now
    this.#deadline = this.#repeats ? now + this.#interval : NEVER
  }

  #transmitAgain(now: Instant): void {
    this.#schedule(now)
    const count = Math.min(this.#rivals.length, RIVALS_AT_ONCE_MAX)
    for (const items of this.#rivals.splice(0, count)) {
      this.#rivals.push(items)
      this.#transmit(items)
    }
  }

  #transmit(items: readonly FlightItem[]): void {
    packFlight(items, this.#mtu, this.#output)
  }
}

/** A record that is being filled. */
interface OpenRecord {
  readonly epoch: RecordWriter
  /** Bytes of its plaintext so far. */
  length: number
  /** Which parts of messages it carries. */
  readonly carried: { readonly delivery: Delivery; readonly offset: number; readonly end: number }[]
}

/**
 * Packs a flight into as few datagrams of `mtu` bytes as the order allows, fragmenting what does not fit. Messages that are acknowledged, those of DTLS 1.3,
 * share records too (RFC 9147 section 5.5).
 */
function packFlight(items: readonly FlightItem[], mtu: number, output: (datagram: Uint8Array) => void): void {
  let datagram = datagramBytes(mtu)
  let at = 0
  let open: OpenRecord | undefined
  const seal = (): void => {
    if (open === undefined) return
    const { epoch, length, carried } = open
    const start = at + epoch.headroom
    const plaintext = datagram.subarray(start, start + length)
    const sequence = epoch.seal(ContentType.handshake, DTLS_1_2, plaintext, datagram, at)
    for (const { delivery, offset, end } of carried) delivery.noteSent(sequence, offset, end)
    at += epoch.overhead + length
    open = undefined
  }
  const flush = (): void => {
    seal()
    output(datagram.subarray(0, at))
    datagram = datagramBytes(mtu)
    at = 0
  }
  const pack = (
    epoch: RecordWriter,
    message: HandshakeMessage,
    from: number,
    to: number,
    delivery?: Delivery,
  ): void => {
    const headers = epoch.overhead + HANDSHAKE_HEADER_LENGTH
    let offset = from
    do {
      if (open?.epoch !== epoch) seal()
      // a key that is used up says no more: the peer gives up in time
      if (open === undefined && epoch.exhausted) return
      const left = to - offset
      if (mtu - at - (open?.length ?? 0) - headers < Math.min(left, FRAGMENT_LENGTH_MIN)) flush()
      open ??= { epoch, length: 0, carried: [] }
      const size = Math.min(left, mtu - at - open.length - headers)
      datagram.set(handshakeFragment(message, offset, size), at + epoch.headroom + open.length)
      open.length += HANDSHAKE_HEADER_LENGTH + size
      if (delivery === undefined) seal()
      else open.carried.push({ delivery, offset, end: offset + size })
      offset += size
    } while (offset < to)
  }
  for (const { epoch, message, delivery } of items) {
    if (message === 'change-cipher-spec') {
      if (mtu - at < epoch.overhead + 1) flush()
      epoch.seal(ContentType.changeCipherSpec, DTLS_1_2, CHANGE_CIPHER_SPEC, datagram, at)
      at += epoch.overhead + 1
    } else if (delivery === undefined) {
      pack(epoch, message, 0, message.body.length)
    } else {
      for (const { offset, end } of delivery.missing) pack(epoch, message, offset, end, delivery)
    }
  }
  seal()
  if (at > 0) output(datagram.subarray(0, at))
}
