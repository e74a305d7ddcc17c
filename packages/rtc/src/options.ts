import type { BandwidthEstimatorOptions } from '@str0m/bwe'
import type { CryptoProvider } from '@str0m/crypto'
import type { DtlsCertificate, DtlsVersion } from '@str0m/dtls'
import { UsageError, type WallClock } from '@str0m/sans-io'
import type { CodecCapability } from '@str0m/sdp'
import type { SrtpProfile } from '@str0m/srtp'
import type { FeedbackChoice } from './capabilities.ts'

/** All are optional. */
export interface RtcOptions {
  /** Default: `defaultCrypto()`. */
  readonly crypto?: CryptoProvider
  /** Who we are. Default: a new self-signed certificate. One may serve many peers. */
  readonly certificate?: DtlsCertificate
  /**
   * Ties `now` to the calendar: sender reports tell the time by it, and certificates get dates. Without one, `now` counts as milliseconds
   * since 1970, which is as good for playing in step.
   */
  readonly wallClock?: WallClock
  /**
   * What to negotiate, in the order of preference: `DEFAULT_CODECS`, which is the default, or some of them. Frames are made of these alone: of
   * others there are packets, with `rtpMode`, and without it nothing comes of them.
   */
  readonly codecs?: readonly CodecCapability[]
  /** For a server on a public address: answers checks and makes none, RFC 8445 section 2.5. Default false. */
  readonly iceLite?: boolean
  /**
   * In the order of preference, one at least. Default: all, GCM before HMAC-SHA1 and what browsers prefer before what they seldom have. The last, with tags of 32 bits, is for
   * those who have nothing else.
   */
  readonly srtpProfiles?: readonly SrtpProfile[]
  /** What is offered to the peer, or accepted; with both, DTLS 1.3 where the peer has it. Default: `DTLS 1.2` alone. */
  readonly dtlsVersions?: readonly DtlsVersion[]
  /** Who opens the DTLS connection where the offer leaves the choice (RFC 8842 section 5.3). Default `active`. */
  readonly dtlsSetup?: 'active' | 'passive'
  /**
   * Whom to tell when each packet came, which a browser estimates the bandwidth by: `simulcast`, peers that offer several encodings or are asked for them, which are
   * switched on as the estimate allows; `always`, all that can use it, and in offers of ours too; `rfc8888`, the same, by the reports of RFC 8888 where the peer knows them. Else by
   * transport-wide feedback. Without either a browser climbs by 8 % a second and does not yield before packets are
   * lost; with it Firefox begins with a quarter of its picture. Default `simulcast`.
   */
  readonly transportFeedback?: 'simulcast' | 'always' | 'rfc8888'
  /**
   * Estimates what the path to the peer takes, by when its packets came (the peer tells: it implies `transportFeedback: 'always'`, or `rfc8888`), and sends media evenly at that rate
   * instead of in bursts: `egressBitrateEstimate` events say how much there is room for. Of a peer that does not tell, by the loss in its reports; what it says that it takes
   * (REMB) is not exceeded. Default: no estimate, and what is written is sent at once.
   */
  readonly bandwidthEstimation?: BandwidthEstimatorOptions
  /** Largest datagram that is sent, in bytes without IP and UDP headers: 256 to 65507. Default 1200. */
  readonly mtu?: number
  /** Bytes of the largest message that a data channel takes from the peer, 1 to 8 MiB. A larger one ends the data channels. Default 256 KiB. */
  readonly maxMessageSize?: number
  /**
   * Packets instead of frames, both ways: `rtpPacket` events, `media.rtpWriter` and `media.forwarder`. For those who forward (an SFU) or record
   * packets. Retransmission and reports go on as with frames; keyframes are asked for by you. Default false.
   */
  readonly rtpMode?: boolean
  /**
   * Milliseconds that a frame waits for a packet that is missing, before it is given up; 0: it does not wait. Default 1000 where lost packets are asked for
   * again (`media.nack`), as those of video are; else 200 for video, 100 for audio.
   */
  readonly maxReorderWait?: number
}

const FEEDBACK: ReadonlySet<string> = new Set<FeedbackChoice['transportFeedback']>([
  'simulcast',
  'always',
  'rfc8888',
])
const DTLS_VERSIONS: ReadonlySet<DtlsVersion> = new Set(['DTLS 1.2', 'DTLS 1.3'])
const MESSAGE_SIZE = { min: 1, max: 8 << 20, default: 256 << 10 } as const
const MTU = { min: 256, max: 65_507, default: 1200 } as const

/** Checks what has no range of its own below. Throws a `UsageError` (`invalid-option`). */
export function checkOptions(options: RtcOptions): void {
  const { crypto, certificate, wallClock, codecs = [], srtpProfiles } = options
  const { dtlsSetup, transportFeedback, maxReorderWait } = options
  if (crypto !== undefined && typeof crypto?.randomBytes !== 'function')
    throw invalid('crypto is a CryptoProvider: nativeCrypto() and portableCrypto() make one')
  if (certificate !== undefined && typeof certificate?.fingerprint !== 'function')
    throw invalid('certificate is a DtlsCertificate: DtlsCertificate.fromPem makes it of a text')
  if (wallClock !== undefined && !(Number.isFinite(wallClock?.now) && Number.isFinite(wallClock?.unixTime)))
    throw invalid('wallClock is { now, unixTime }, both in milliseconds')
  if (srtpProfiles !== undefined && !(Array.isArray(srtpProfiles) && srtpProfiles.length > 0))
    throw invalid('srtpProfiles has one profile at least: without keys for media nobody connects')
  if (dtlsSetup !== undefined && !['active', 'passive'].includes(dtlsSetup))
    throw invalid(`dtlsSetup is "active" or "passive", not "${dtlsSetup}"`)
  if (transportFeedback !== undefined && !FEEDBACK.has(transportFeedback))
    throw invalid(`transportFeedback is "simulcast", "always" or "rfc8888", not "${transportFeedback}"`)
  if (maxReorderWait !== undefined && !(maxReorderWait >= 0 && Number.isFinite(maxReorderWait)))
    throw invalid(`maxReorderWait is finite and 0 ms or more, not ${maxReorderWait}`)
  if (!Array.isArray(codecs)) throw invalid('codecs is a list, as DEFAULT_CODECS is')
  for (const codec of codecs) checkCodec(codec)
}

function checkCodec({ kind, name, clockRate, preferredPt, feedback }: CodecCapability): void {
  const isNamed =
    (kind === 'audio' || kind === 'video') && typeof name === 'string' && Array.isArray(feedback)
  const isNumbered = Number.isInteger(preferredPt) && preferredPt >= 0 && preferredPt <= 127
  if (!isNamed || !isNumbered || !(Number.isInteger(clockRate) && clockRate > 0))
    throw invalid(
      'Each of codecs is { kind, name, clockRate, feedback, preferredPt }, as those of DEFAULT_CODECS are',
    )
}

/** Who is told when packets came, by what was asked for, and whether the peer's own estimate is asked for. */
export function resolveFeedback(options: RtcOptions): FeedbackChoice {
  const { transportFeedback = 'simulcast', bandwidthEstimation } = options
  const receiverEstimate = bandwidthEstimation !== undefined
  if (receiverEstimate && transportFeedback === 'simulcast')
    return { transportFeedback: 'always', receiverEstimate }
  return { transportFeedback, receiverEstimate }
}

/** Throws a `UsageError` (`invalid-option`). */
export function resolveDtlsVersions({ dtlsVersions }: RtcOptions): readonly DtlsVersion[] {
  const versions = dtlsVersions ?? ['DTLS 1.2']
  if (
    Array.isArray(versions) &&
    versions.length > 0 &&
    versions.every((version) => DTLS_VERSIONS.has(version))
  )
    return versions
  throw invalid('dtlsVersions has "DTLS 1.2", "DTLS 1.3", or both')
}

/** Throws a `UsageError` (`invalid-option`). */
export function resolveMtu({ mtu }: RtcOptions): number {
  return inRange('mtu', mtu, MTU)
}

/** Throws a `UsageError` (`invalid-option`). */
export function resolveMaxMessageSize({ maxMessageSize }: RtcOptions): number {
  return inRange('maxMessageSize', maxMessageSize, MESSAGE_SIZE)
}

function inRange(
  name: string,
  value: number | undefined,
  range: { readonly min: number; readonly max: number; readonly default: number },
): number {
  if (value === undefined) return range.default
  if (Number.isInteger(value) && value >= range.min && value <= range.max) return value
  throw invalid(`${name} is a whole number from ${range.min} to ${range.max}, not ${value}`)
}

function invalid(message: string): UsageError {
  return new UsageError('invalid-option', message)
}
