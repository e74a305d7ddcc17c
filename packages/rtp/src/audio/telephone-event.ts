import { type Instant, NEVER, serial32, UsageError } from '@str0m/sans-io'

// RFC 4733 section 2.3:   event (8) | end (1), reserved (1), volume (6) | duration (16)

const PAYLOAD_LENGTH = 4
/** The longest duration that a packet can state; what lasts longer is sent in segments (section 2.5.1.3). */
const MAX_DURATION = 0xffff
/**
 * Units of the timestamp by which a packet may be late: four minutes at 8 kHz, 43 s at 48 kHz. What lies farther back is of a key that is pressed after hours, of which 32 bits
 * do not tell on which side it lies, or of a sender that has started anew.
 */
const MAX_LATE = 0x20_0000
/** How often the last packet of an event is sent (section 2.5.1.4). */
const END_PACKETS = 3
/** The DTMF digits by their event codes, RFC 4733 section 3.2. */
const DIGITS = '0123456789*#ABCD'

/** What one packet says of an event. */
export interface TelephoneEvent {
  /** 0 to 255. 0 to 15 are the DTMF digits (section 3.2). */
  readonly event: number
  /** Whether the event is over. */
  readonly end: boolean
  /** In −dBm0, 0 (loudest) to 63. */
  readonly volume: number
  /** How long the event, or this segment of it, has lasted: in units of the timestamp, 16 bits. */
  readonly duration: number
}

/** Reads a payload; `undefined` where it is cut short. Of several events in one packet (section 2.5.1.5), the first. */
export function readTelephoneEvent(payload: Uint8Array): TelephoneEvent | undefined {
  if (payload.length < PAYLOAD_LENGTH) return undefined
  return {
    event: payload[0]!,
    end: (payload[1]! & 0x80) !== 0,
    volume: payload[1]! & 0x3f,
    duration: (payload[2]! << 8) | payload[3]!,
  }
}

/** Writes a payload. What is out of its range loses its high bits. */
export function writeTelephoneEvent({ event, end, volume, duration }: TelephoneEvent): Uint8Array {
  return Uint8Array.of(event, (end ? 0x80 : 0) | (volume & 0x3f), duration >> 8, duration & 0xff)
}

/** The event code of a DTMF digit (`0` to `9`, `*`, `#`, `A` to `D`), or `undefined`. */
export function dtmfEvent(digit: string): number | undefined {
  const event = digit.length === 1 ? DIGITS.indexOf(digit.toUpperCase()) : -1
  return event < 0 ? undefined : event
}

/** The DTMF digit of an event code, or `undefined`. */
export function dtmfDigit(event: number): string | undefined {
  return DIGITS[event]
}

/** A packet of an event to be sent. */
export interface TelephoneEventPacket {
  /** Of the start of the event or its segment. */
  readonly timestamp: number
  /** When that was: what the timestamp stands for, though the packet comes later. */
  readonly startedAt: Instant
  /** On the first packet of an event alone. */
  readonly marker: boolean
  readonly payload: Uint8Array
}

export interface TelephoneEventOptions {
  /** Milliseconds that it lasts, above 0. Default 100. */
  readonly duration?: number
  /** In −dBm0, 0 (loudest) to 63. Default 10. */
  readonly volume?: number
}

/** Milliseconds between the packets of one event (section 2.5.1.2). */
const INTERVAL = 50

/** Sends one event at a time: packets with a growing duration, then the last one three times. */
export class TelephoneEventSender {
  readonly #clockRate: number
  #event = 0
  #volume = 0
  #startedAt: Instant = 0
  #timestamp = 0
  /** In units of the timestamp, from the start of this segment. */
  #left = 0
  #endPackets = 0
  #marker = false
  #deadline: Instant = NEVER

  /** `clockRate` is that of the payload type, in hertz. */
  constructor(clockRate: number) {
    this.#clockRate = clockRate
  }

  /** When `take` is next due; `Infinity` while no event is sent. */
  get deadline(): Instant {
    return this.#deadline
  }

  /**
   * Starts an event at `timestamp`, which is that of the audio now. Throws a `UsageError`: `busy` while another event is sent,
   * `invalid-option`.
   */
  start(now: Instant, timestamp: number, event: number, options: TelephoneEventOptions = {}): void {
    const { duration = 100, volume = 10 } = options
    if (this.#deadline !== NEVER) {
      throw new UsageError(
        'busy',
        `An event is being sent: wait until it is over, which is ${(END_PACKETS - 1) * INTERVAL} ms after its duration`,
      )
    }
    if (!(Number.isInteger(event) && event >= 0 && event <= 255)) {
      throw new UsageError('invalid-option', `An event is 0 to 255, not ${event}`)
    }
    if (!(duration > 0 && duration < Number.POSITIVE_INFINITY && volume >= 0 && volume <= 63)) {
      throw new UsageError('invalid-option', 'A duration is positive, a volume 0 to 63')
    }
    this.#event = event
    this.#volume = Math.round(volume)
    this.#startedAt = now
    this.#timestamp = timestamp >>> 0
    this.#left = Math.max(1, Math.round((duration * this.#clockRate) / 1000))
    this.#endPackets = 0
    this.#marker = true
    this.#deadline = now + Math.min(INTERVAL, duration)
  }

  /** The next packet, where one is due: to be called until it answers `undefined`. */
  take(now: Instant): TelephoneEventPacket | undefined {
    if (now < this.#deadline) return undefined
    const elapsed = Math.round(((now - this.#startedAt) * this.#clockRate) / 1000)
    const duration = Math.max(1, Math.min(elapsed, this.#left, MAX_DURATION))
    const end = duration === this.#left
    const packet: TelephoneEventPacket = {
      timestamp: this.#timestamp,
      startedAt: this.#startedAt,
      marker: this.#marker,
      payload: writeTelephoneEvent({ event: this.#event, end, volume: this.#volume, duration }),
    }
    this.#marker = false
    if (end) {
      this.#endPackets++
      this.#deadline = this.#endPackets === END_PACKETS ? NEVER : now + INTERVAL
    } else {
      if (duration === MAX_DURATION) this.#startSegment()
      this.#deadline = this.#nextUpdate(now)
    }
    return packet
  }

  /** Later than `now`: rounding is no reason for a packet. */
  #nextUpdate(now: Instant): Instant {
    const whenFull = this.#startedAt + (1000 * Math.min(this.#left, MAX_DURATION)) / this.#clockRate
    return Math.max(now + 1, Math.min(now + INTERVAL, whenFull))
  }

  /** Section 2.5.1.3: it goes on under the timestamp where the one before was full, without a marker. */
  #startSegment(): void {
    this.#timestamp = serial32.add(this.#timestamp, MAX_DURATION)
    this.#startedAt += (1000 * MAX_DURATION) / this.#clockRate
    this.#left -= MAX_DURATION
  }
}

/** What is new of an event. */
export interface TelephoneEventReport {
  readonly event: number
  /** Whether this is the first that is heard of it. */
  readonly started: boolean
  /** Whether it is over, and was not said so before. */
  readonly ended: boolean
  readonly volume: number
  /** Of its start, 32 bits. */
  readonly timestamp: number
  /** In units of the timestamp, over all segments. */
  readonly duration: number
}

/** Makes events out of the packets of one stream: each starts once and ends once, whatever is repeated, late or lost. */
export class TelephoneEventReader {
  /** The event that came last; `undefined` before the first. */
  #current:
    | { event: number; timestamp: number; segment: number; before: number; duration: number }
    | undefined
  #ended = true

  /** Takes a packet. Answers what is new, or `undefined`: it repeats, is late or malformed. Where an end was lost, the next event says it by starting. */
  handlePacket(timestamp: number, payload: Uint8Array): TelephoneEventReport | undefined {
    const read = readTelephoneEvent(payload)
    if (read === undefined) return undefined
    const { event, end, volume, duration } = read
    let current = this.#current
    let started = false
    const ahead = current === undefined ? 1 : serial32.diff(timestamp, current.segment)
    if (ahead < 0 && ahead >= -MAX_LATE) return undefined
    if (current !== undefined && ahead === 0) {
      if (current.event !== event || this.#ended || (duration <= current.duration && !end)) return undefined
      current.duration = Math.max(current.duration, duration)
    } else if (current !== undefined && !this.#ended && current.event === event && ahead === MAX_DURATION) {
      current.before += MAX_DURATION
      current.segment = timestamp
      current.duration = duration
    } else {
      started = true
      current = this.#current = { event, timestamp, segment: timestamp, before: 0, duration }
    }
    this.#ended = end
    const total = current.before + current.duration
    return { event, started, ended: end, volume, timestamp: current.timestamp, duration: total }
  }
}
