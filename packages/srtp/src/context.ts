import { type CryptoProvider, defaultCrypto } from '@str0m/crypto'
import { readU16, readU32, UsageError, isBytes } from '@str0m/sans-io'
import { AeadRtcp, aeadRtp } from './aead.ts'
import { CmHmacRtcp, CmHmacRtp } from './cm-hmac.ts'
import { deriveSessionKeys } from './key-derivation.ts'
import { isRtcp, RTCP_HEADER, RTCP_TRAILER, RTP_HEADER_MIN, rtpHeaderLength } from './packet-format.ts'
import { PACKET_INDEX_END } from './packet-index.ts'
import { type ProfileParameters, profileParameters, type SrtpProfile } from './profile.ts'
import type { RtcpProtection, RtpProtection } from './protection.ts'
import { type DropReason, emptyStatistics, type SrtpStatistics } from './statistics.ts'
import { type RtcpRest, RtcpStream, RtpStream } from './stream.ts'
import { StreamTable } from './stream-table.ts'

/** The lengths of a replay window, in packets: a power of two between these. RFC 3711 section 3.3.2 asks for 64. */
const REPLAY_WINDOW_MIN = 64
const REPLAY_WINDOW_MAX = 32_768
const REPLAY_WINDOW_DEFAULT = 128
/** SSRCs that a context has seen in its life, for SRTP and for SRTCP. An SFU takes new ones for as long as the session lasts. */
const STREAMS_DEFAULT = 65_536
/** Sequence numbers there are: between two packet indices with the same one. */
const SEQUENCE_CYCLE = 0x1_0000
/** From here on a first sequence number is not one that a wrap has just come before. */
const FIRST_BEFORE_WRAP = 32_768

export interface SrtpContextOptions {
  readonly profile: SrtpProfile
  /** The master key: as many bytes as `srtpKeyLengths` says. */
  readonly masterKey: Uint8Array
  /** The master salt: as many bytes as `srtpKeyLengths` says. */
  readonly masterSalt: Uint8Array
  /** By default, `defaultCrypto()`. */
  readonly crypto?: CryptoProvider
  /** How many packets a replay window remembers: a power of two from 64 to 32768. By default, 128. */
  readonly replayWindow?: number
  /**
   * How many SSRCs it keeps state of, for SRTP and SRTCP each, for as long as it lives. Those that are silent the longest come down to a few bytes.
   * By default, 65536.
   */
  readonly maxStreams?: number
  /**
   * Lets a sender protect a packet index again, for retransmission on the same SSRC. The packet has then to be
   * the same byte by byte: with another plaintext the confidentiality of both is lost. By default, false.
   */
  readonly allowRepeats?: boolean
}

/**
 * The SRTP and SRTCP cryptographic context of one direction (RFC 3711 section 3.2): a sender protects with
 * one, a receiver unprotects with another. It works in place and keeps no packet.
 */
export class SrtpContext {
  readonly profile: SrtpProfile
  /** Bytes by which `protectRtp` lengthens a packet. */
  readonly rtpOverhead: number
  /** Bytes by which `protectRtcp` lengthens a packet. */
  readonly rtcpOverhead: number
  readonly #crypto: CryptoProvider
  readonly #parameters: ProfileParameters
  readonly #masterKey: Uint8Array
  readonly #masterSalt: Uint8Array
  /** Made with the first packet: a peer that has just connected, or sends nothing, derives no session keys. */
  #rtpMade: RtpProtection | undefined
  #rtcpMade: RtcpProtection | undefined
  readonly #rtpStreams: StreamTable<number, RtpStream>
  readonly #rtcpStreams: StreamTable<RtcpRest, RtcpStream>
  /** How many packet indices back from the newest are told apart. */
  readonly replayWindow: number
  readonly #maxStreams: number
  readonly #allowRepeats: boolean
  readonly #statistics = emptyStatistics()
  /** The stream of the last SRTP packet: most often the next one's too. */
  #latest: RtpStream | undefined

  /** Throws a `UsageError`: `unknown-profile`, `invalid-key` (a length that is not the profile's), `invalid-option`. */
  constructor(options: SrtpContextOptions) {
    const { profile, masterKey, masterSalt, crypto = defaultCrypto() } = options
    const parameters = profileParameters(profile)
    checkLength('master key', masterKey, parameters.keyLength)
    checkLength('master salt', masterSalt, parameters.saltLength)
    this.profile = profile
    this.replayWindow = checkReplayWindow(options.replayWindow ?? REPLAY_WINDOW_DEFAULT)
    this.#maxStreams = options.maxStreams ?? STREAMS_DEFAULT
    if (!Number.isInteger(this.#maxStreams) || this.#maxStreams < 1) {
      throw new UsageError('invalid-option', 'maxStreams is to be a whole number, 1 or more')
    }
    this.#allowRepeats = options.allowRepeats ?? false
    this.rtpOverhead = parameters.rtpTagLength
    this.rtcpOverhead = parameters.rtcpTagLength + RTCP_TRAILER
    this.#crypto = crypto
    this.#parameters = parameters
    this.#masterKey = Uint8Array.from(masterKey)
    this.#masterSalt = Uint8Array.from(masterSalt)
    this.#rtpStreams = new StreamTable((ssrc, highest) => {
      const stream = new RtpStream(ssrc, this.replayWindow)
      stream.window.resume(highest)
      return stream
    })
    this.#rtcpStreams = new StreamTable((ssrc, { highest, nextIndex }) => {
      const stream = new RtcpStream(ssrc, this.replayWindow)
      stream.window.resume(highest)
      stream.nextIndex = nextIndex
      return stream
    })
  }

  get statistics(): SrtpStatistics {
    return this.#statistics
  }

  /**
   * Turns the RTP packet in the first `length` bytes of `buffer` into an SRTP packet, in place. `buffer` has room
   * for `rtpOverhead` bytes more. Answers the new length. Throws a `UsageError`, with nothing changed:
   * `no-room`, `invalid-packet` (no RTP packet), `index-used` (this packet index was protected before, or
   * is too old to tell), `key-exhausted` (2^48 packets: RFC 3711 section 9.2), `too-many-streams`.
   */
  protectRtp(buffer: Uint8Array, length: number): number {
    checkRoom(buffer, length, this.rtpOverhead)
    const headerLength = rtpHeaderLength(buffer, length)
    if (headerLength < 0) throw new UsageError('invalid-packet', 'The buffer does not hold an RTP packet')
    const ssrc = readU32(buffer, 8)
    const known = this.#findRtpStream(ssrc)
    if (known === undefined) this.#checkCallersStreams(this.#rtpStreams.size)
    const stream = known ?? new RtpStream(ssrc, this.replayWindow)
    const index = stream.guessIndex(readU16(buffer, 2))
    if (index >= PACKET_INDEX_END) {
      throw new UsageError('key-exhausted', 'All 2^48 packets of this SSRC are sent: set up a new master key')
    }
    const fresh = index >= 0 && stream.window.check(index) === 'fresh'
    if (!fresh && (index < 0 || !this.#allowRepeats)) {
      throw new UsageError('index-used', 'This sequence number was protected before, or is too old to tell')
    }
    this.#rtp.protect(buffer, headerLength, length, ssrc, index, stream.ahead)
    if (fresh) stream.window.commit(index)
    this.#rtp.prepare(ssrc, index, length - headerLength, stream.ahead)
    this.#rtpStreams.use(stream)
    this.#latest = stream
    this.#statistics.protected++
    return length + this.rtpOverhead
  }

  /**
   * Whether no RTP packet of this source was protected with this sequence number yet, as far as the window of those sent reaches. The keystream
   * of one that was must not be used for another packet: RFC 3711 section 9.1.
   */
  isFresh(ssrc: number, sequenceNumber: number): boolean {
    const stream = this.#findRtpStream(ssrc)
    if (stream === undefined) return true
    const index = stream.guessIndex(sequenceNumber)
    return index >= 0 && stream.window.check(index) === 'fresh'
  }

  /**
   * Turns the SRTP packet `packet` into an RTP packet, in place, and answers its length; or -1 where it is
   * dropped, which `statistics` counts by reason.
   */
  unprotectRtp(packet: Uint8Array): number {
    const end = packet.length - this.rtpOverhead
    if (end < RTP_HEADER_MIN) return this.#drop('tooShort')
    const headerLength = rtpHeaderLength(packet, end)
    if (headerLength < 0) return this.#drop('malformed')
    const ssrc = readU32(packet, 8)
    const sequenceNumber = readU16(packet, 2)
    const stream = this.#findRtpStream(ssrc)
    if (stream === undefined || stream.window.highest < 0) {
      return this.#unprotectFirstRtp(packet, headerLength, ssrc, sequenceNumber, stream)
    }
    let index = stream.guessIndex(sequenceNumber)
    const freshness = index < 0 || index >= PACKET_INDEX_END ? 'too-old' : stream.window.check(index)
    if (freshness === 'replayed') return this.#drop('replayed')
    if (freshness === 'too-old' || !this.#rtp.unprotect(packet, headerLength, ssrc, index, stream.ahead)) {
      index += SEQUENCE_CYCLE
      if (!this.#unprotectAfterOutage(packet, headerLength, stream, index)) {
        return this.#drop(freshness === 'too-old' ? 'tooOld' : 'authenticationFailed')
      }
    }
    stream.window.commit(index)
    this.#rtp.prepare(ssrc, index, end - headerLength, stream.ahead)
    this.#rtpStreams.use(stream)
    this.#latest = stream
    this.#statistics.unprotected++
    return end
  }

  /**
   * Where more than 2^15 packets in a row were lost, the guess of RFC 3711 section 3.3.1 is one cycle behind, and would be for good: the tag tells.
   */
  #unprotectAfterOutage(
    packet: Uint8Array,
    headerLength: number,
    { ssrc, window }: RtpStream,
    index: number,
  ): boolean {
    if (index <= window.highest || index >= PACKET_INDEX_END) return false
    return this.#rtp.unprotect(packet, headerLength, ssrc, index, undefined)
  }

  /**
   * State of a new SSRC is made only once its packet is authenticated. `told` has its rollover counter, where there is one
   * to start with. Where the packets up to the sender's first wrap were lost, or are late, it is one more.
   */
  #unprotectFirstRtp(
    packet: Uint8Array,
    headerLength: number,
    ssrc: number,
    sequenceNumber: number,
    told: RtpStream | undefined,
  ): number {
    if (told === undefined && this.#rtpStreams.size >= this.#maxStreams) return this.#drop('tooManyStreams')
    let index = told === undefined ? sequenceNumber : told.guessIndex(sequenceNumber)
    if (!this.#rtp.unprotect(packet, headerLength, ssrc, index, undefined)) {
      index += SEQUENCE_CYCLE
      const isAfterWrap = sequenceNumber < FIRST_BEFORE_WRAP && index < PACKET_INDEX_END
      if (!isAfterWrap || !this.#rtp.unprotect(packet, headerLength, ssrc, index, undefined)) {
        return this.#drop('authenticationFailed')
      }
    }
    const stream = told ?? new RtpStream(ssrc, this.replayWindow)
    stream.window.commit(index)
    this.#rtpStreams.use(stream)
    this.#latest = stream
    this.#statistics.unprotected++
    return packet.length - this.rtpOverhead
  }

  /**
   * Turns the RTCP packet (a compound one, or of reduced size) in the first `length` bytes of `buffer` into an
   * SRTCP packet, in place. `buffer` has room for `rtcpOverhead` bytes more. Answers the new length.
   * Throws a `UsageError`, with nothing changed: `no-room`, `invalid-packet` (no RTCP packet),
   * `key-exhausted` (2^31 packets: RFC 3711 section 9.2), `too-many-streams`.
   */
  protectRtcp(buffer: Uint8Array, length: number): number {
    checkRoom(buffer, length, this.rtcpOverhead)
    if (!isRtcp(buffer, length))
      throw new UsageError('invalid-packet', 'The buffer does not hold an RTCP packet')
    const ssrc = readU32(buffer, 4)
    const known = this.#rtcpStreams.find(ssrc)
    if (known === undefined) this.#checkCallersStreams(this.#rtcpStreams.size)
    const stream = known ?? new RtcpStream(ssrc, this.replayWindow)
    this.#rtcp.protect(buffer, length, ssrc, stream.takeIndex())
    this.#rtcpStreams.use(stream)
    this.#statistics.protected++
    return length + this.rtcpOverhead
  }

  /**
   * Turns the SRTCP packet `packet` into an RTCP packet, in place, and answers its length; or -1 where it is
   * dropped, which `statistics` counts by reason. A packet whose E flag is not set is authenticated only.
   */
  unprotectRtcp(packet: Uint8Array): number {
    const end = packet.length - this.rtcpOverhead
    if (end < RTCP_HEADER) return this.#drop('tooShort')
    if (!isRtcp(packet, end)) return this.#drop('malformed')
    const ssrc = readU32(packet, 4)
    const trailer = readU32(packet, this.#rtcp.trailerAt(packet.length))
    const index = trailer & 0x7fff_ffff
    const known = this.#rtcpStreams.find(ssrc)
    if (known === undefined) {
      if (this.#rtcpStreams.size >= this.#maxStreams) return this.#drop('tooManyStreams')
    } else {
      const freshness = known.window.check(index)
      if (freshness !== 'fresh') return this.#drop(freshness === 'replayed' ? 'replayed' : 'tooOld')
    }
    if (!this.#rtcp.unprotect(packet, ssrc, trailer)) return this.#drop('authenticationFailed')
    const stream = known ?? new RtcpStream(ssrc, this.replayWindow)
    stream.window.commit(index)
    this.#rtcpStreams.use(stream)
    this.#statistics.unprotected++
    return end
  }

  /**
   * The rollover counter that the first packet of `ssrc` has, where it is not zero: for one who joins a session under way,
   * and is told (RFC 3711 section 3.3.1). Throws a `UsageError`: `invalid-option` (no number of 32 bits),
   * `stream-started` (a packet of `ssrc` was there already), `too-many-streams`.
   */
  setRolloverCounter(ssrc: number, rolloverCounter: number): void {
    if (ssrc >>> 0 !== ssrc || rolloverCounter >>> 0 !== rolloverCounter) {
      throw new UsageError('invalid-option', 'An SSRC and a rollover counter are whole numbers below 2^32')
    }
    const known = this.#rtpStreams.find(ssrc)
    if (known !== undefined && known.window.highest >= 0) {
      throw new UsageError(
        'stream-started',
        'The rollover counter is set before the first packet of its SSRC',
      )
    }
    if (known === undefined) this.#checkCallersStreams(this.#rtpStreams.size)
    const stream = known ?? new RtpStream(ssrc, this.replayWindow)
    stream.initialRollover = rolloverCounter
    this.#rtpStreams.use(stream)
    // it may have fallen asleep for this one
    this.#latest = undefined
  }

  get #rtp(): RtpProtection {
    this.#rtpMade ??= rtpProtection(this.#crypto, this.#parameters, this.#masterKey, this.#masterSalt)
    return this.#rtpMade
  }

  get #rtcp(): RtcpProtection {
    this.#rtcpMade ??= rtcpProtection(this.#crypto, this.#parameters, this.#masterKey, this.#masterSalt)
    return this.#rtcpMade
  }

  #findRtpStream(ssrc: number): RtpStream | undefined {
    const latest = this.#latest
    return latest !== undefined && latest.ssrc === ssrc ? latest : this.#rtpStreams.find(ssrc)
  }

  #checkCallersStreams(count: number): void {
    if (count < this.#maxStreams) return
    throw new UsageError('too-many-streams', `The context has ${count} SSRCs already: raise maxStreams`)
  }

  #drop(reason: DropReason): -1 {
    this.#statistics.dropped[reason]++
    return -1
  }
}

function rtpProtection(
  crypto: CryptoProvider,
  parameters: ProfileParameters,
  masterKey: Uint8Array,
  masterSalt: Uint8Array,
): RtpProtection {
  const keys = deriveSessionKeys(crypto, parameters, masterKey, masterSalt, 'rtp')
  return parameters.aead === undefined
    ? new CmHmacRtp(crypto, keys, parameters.rtpTagLength)
    : aeadRtp(crypto, parameters, keys)
}

function rtcpProtection(
  crypto: CryptoProvider,
  parameters: ProfileParameters,
  masterKey: Uint8Array,
  masterSalt: Uint8Array,
): RtcpProtection {
  const keys = deriveSessionKeys(crypto, parameters, masterKey, masterSalt, 'rtcp')
  return parameters.aead === undefined
    ? new CmHmacRtcp(crypto, keys, parameters.rtcpTagLength)
    : new AeadRtcp(crypto, parameters, keys)
}

function checkLength(what: string, bytes: Uint8Array, length: number): void {
  if (isBytes(bytes) && bytes.length === length) return
  const given = isBytes(bytes) ? `${bytes.length}` : 'none: give a Uint8Array'
  throw new UsageError('invalid-key', `The ${what} of this profile has ${length} bytes, not ${given}`)
}

function checkReplayWindow(size: number): number {
  if (
    Number.isInteger(size) &&
    size >= REPLAY_WINDOW_MIN &&
    size <= REPLAY_WINDOW_MAX &&
    (size & (size - 1)) === 0
  ) {
    return size
  }
  throw new UsageError(
    'invalid-option',
    `replayWindow is to be a power of two from ${REPLAY_WINDOW_MIN} to ${REPLAY_WINDOW_MAX}`,
  )
}

function checkRoom(buffer: Uint8Array, length: number, overhead: number): void {
  if (Number.isInteger(length) && length >= 0 && length + overhead <= buffer.length) return
  throw new UsageError('no-room', `A buffer for ${length} bytes needs ${overhead} more, for the tag`)
}
