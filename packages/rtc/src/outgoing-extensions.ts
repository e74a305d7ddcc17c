import {
  type ExtensionIds,
  findHeaderExtension,
  type HeaderExtensions,
  parseRtpHeader,
  renameHeaderExtension,
  writeHeaderExtensions,
  type WrittenExtensions,
} from '@str0m/rtp'
import type { Rid } from '@str0m/sans-io'
import type { Media } from './media.ts'

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

  /** `numbered`: with a place for the transport-wide number, where it was negotiated. */
  constructor({ sendExtensionIds, mid }: Media, rid: Rid | undefined, numbered: boolean) {
    this.#ids = sendExtensionIds
    this.#identity = {
      mid,
      ...(rid === undefined ? {} : { rid }),
      ...(numbered ? { transportSequenceNumber: 0 } : {}),
    }
    this.#fixed = writeHeaderExtensions(this.#identity, sendExtensionIds)
  }

  /** Whether they are still those that were agreed on. */
  isOf({ sendExtensionIds }: Media, rid: Rid | undefined): boolean {
    return this.#ids === sendExtensionIds && this.#identity.rid === rid
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
    let hasLevel = false
    for (const name of FORWARDED) {
      if (values[name] === undefined) continue
      if (name !== 'audioLevel' && name !== 'voiceActivity') return this.#write(forwardedOf(values))
      hasLevel = true
    }
    return hasLevel ? this.#level(values) : this.#fixed
  }

  /** Those of a forwarded packet with this dependency descriptor. */
  ofDependent(values: HeaderExtensions, dependencyDescriptor: Uint8Array): WrittenExtensions | undefined {
    if (this.#ids.id('dependencyDescriptor') === undefined) return this.ofForwarded(values)
    return this.#write({ ...forwardedOf(values), dependencyDescriptor })
  }

  /** Makes the rid of a packet, which is of this stream, the rid that a retransmission repairs: RFC 8852 section 3.2. */
  repairRid(packet: Uint8Array): void {
    const ridId = this.#ids.id('rid')
    const repairedId = this.#ids.id('repairedRid')
    if (this.#identity.rid === undefined || ridId === undefined || repairedId === undefined) return
    // the buffer has room behind the packet, so that its padding cannot be read
    const header = parseRtpHeader(packet, packet.length, true)
    if (header !== undefined) renameHeaderExtension(packet, header, ridId, repairedId)
  }

  #level({ audioLevel = 127, voiceActivity = false }: HeaderExtensions): WrittenExtensions | undefined {
    const id = this.#ids.id('audioLevel')
    if (id === undefined) return this.#fixed
    if (this.#withLevel === undefined) {
      this.#withLevel = this.#write({ audioLevel: 0, voiceActivity: false })
      const { bytes, profile } = this.#withLevel!
      const place = { extensionProfile: profile, extensionStart: 0, extensionLength: bytes.length }
      this.#levelAt = findHeaderExtension(bytes, place, id)
    }
    const level = Math.max(0, Math.min(127, Math.round(audioLevel)))
    this.#withLevel!.bytes[this.#levelAt] = (voiceActivity ? 0x80 : 0) | level
    return this.#withLevel
  }

  #write(values: HeaderExtensions): WrittenExtensions | undefined {
    return writeHeaderExtensions({ ...this.#identity, ...values }, this.#ids)
  }
}

function forwardedOf(values: HeaderExtensions): HeaderExtensions {
  const forwarded: Record<string, unknown> = {}
  for (const name of FORWARDED) if (values[name] !== undefined) forwarded[name] = values[name]
  return forwarded
}
