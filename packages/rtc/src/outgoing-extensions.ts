import {
  type ExtensionIds,
  type HeaderExtensions,
  writeHeaderExtensions,
  type WrittenExtensions,
} from '@str0m/rtp'
import { type Mid, readU16, type Rid } from '@str0m/sans-io'

const RTP_HEADER_LENGTH = 12
/** The profile, and the length in words. */
const EXTENSION_HEADER_LENGTH = 4
/** RFC 8285 section 4.2. */
const ONE_BYTE_PROFILE = 0xbede

/** What goes from one peer's packets to another's. The rest is of one way: ids, times of sending, numbers of one source. */
const FORWARDED = [
  'audioLevel',
  'voiceActivity',
  'csrcAudioLevels',
  'videoRotation',
  'playoutDelay',
  'videoContentType',
  'videoTiming',
  'colorSpace',
] as const satisfies readonly (keyof HeaderExtensions)[]

/**
 * The header extensions of one outgoing stream. Most packets have the same, which are written once; audio has its level beside, which is written into
 * its place.
 */
export class OutgoingExtensions {
  readonly #ids: ExtensionIds
  readonly #identity: HeaderExtensions
  readonly #fixed: WrittenExtensions | undefined
  /** With the level of audio in `#levelAt`. */
  #withLevel: WrittenExtensions | undefined
  #levelAt = -1

  constructor(ids: ExtensionIds, mid: Mid, rid: Rid | undefined) {
    this.#ids = ids
    this.#identity = { mid, ...(rid === undefined ? {} : { rid }) }
    this.#fixed = writeHeaderExtensions(this.#identity, ids)
  }

  /** Those of every packet, and `values`. To be used before the next call. */
  of(values: HeaderExtensions | undefined): WrittenExtensions | undefined {
    if (values === undefined) return this.#fixed
    let isLevelAlone = false
    for (const name in values) {
      if (name === 'voiceActivity') continue
      if (name !== 'audioLevel') return this.#write(values)
      isLevelAlone = true
    }
    return isLevelAlone ? this.#level(values) : this.#fixed
  }

  /** Those of a forwarded packet. */
  ofForwarded(values: HeaderExtensions): WrittenExtensions | undefined {
    let forwarded: Record<string, unknown> | undefined
    let count = 0
    for (const name of FORWARDED) {
      if (values[name] === undefined) continue
      count++
      if (name !== 'audioLevel' && name !== 'voiceActivity') forwarded ??= {}
    }
    if (count === 0) return this.#fixed
    if (forwarded === undefined) return this.#level(values)
    for (const name of FORWARDED) if (values[name] !== undefined) forwarded[name] = values[name]
    return this.#write(forwarded)
  }

  /** Makes the rid of a packet, which is of this stream, the rid that a retransmission repairs: RFC 8852 section 3.2. */
  repairRid(packet: Uint8Array): void {
    const ridId = this.#ids.id('rid')
    const repairedId = this.#ids.id('repairedRid')
    if (this.#identity.rid === undefined || ridId === undefined || repairedId === undefined) return
    const start = RTP_HEADER_LENGTH + 4 * (packet[0]! & 0x0f) + EXTENSION_HEADER_LENGTH
    const oneByte = readU16(packet, start - EXTENSION_HEADER_LENGTH) === ONE_BYTE_PROFILE
    const elements = packet.subarray(start, start + 4 * readU16(packet, start - 2))
    const value = elementValue(elements, ridId, oneByte)
    if (value < 0 || (oneByte && repairedId > 14)) return
    if (oneByte) elements[value - 1] = (repairedId << 4) | (elements[value - 1]! & 0x0f)
    else elements[value - 2] = repairedId
  }

  #level({ audioLevel = 127, voiceActivity = false }: HeaderExtensions): WrittenExtensions | undefined {
    const id = this.#ids.id('audioLevel')
    if (id === undefined) return this.#fixed
    if (this.#withLevel === undefined) {
      this.#withLevel = this.#write({ audioLevel: 0, voiceActivity: false })
      const { bytes, profile } = this.#withLevel!
      this.#levelAt = elementValue(bytes, id, profile === ONE_BYTE_PROFILE)
    }
    const level = Math.max(0, Math.min(127, Math.round(audioLevel)))
    this.#withLevel!.bytes[this.#levelAt] = (voiceActivity ? 0x80 : 0) | level
    return this.#withLevel
  }

  #write(values: HeaderExtensions): WrittenExtensions | undefined {
    return writeHeaderExtensions({ ...this.#identity, ...values }, this.#ids)
  }
}

/** Where the value of the element with this id starts. */
function elementValue(bytes: Uint8Array, id: number, oneByte: boolean): number {
  let at = 0
  while (at < bytes.length) {
    const first = bytes[at]!
    const elementId = oneByte ? first >> 4 : first
    const length = oneByte ? (first & 0x0f) + 1 : bytes[at + 1]!
    const value = at + (oneByte ? 1 : 2)
    if (elementId === id) return value
    at = value + length
  }
  return -1
}
