import { encodeUtf8, type Mid, type Pt, type Rid, type Ssrc, UsageError } from '@str0m/sans-io'
import { dtmfEvent, type ExtensionIds, type Forwarder, type TelephoneEventOptions } from '@str0m/rtp'
import type { Direction, ExtensionMap, MediaSection, PairedPayloads, RidDescription } from '@str0m/sdp'
import type { Codec } from './codec.ts'
import { extensionIdsOf, type Formats, formatsOf, sameTypes, sendExtensionIdsOf } from './formats.ts'
import type { RtpPacket } from './rtp-packet.ts'
import { PacketForwarder, type RtpFields, RtpWriter } from './rtp-writer.ts'
import { type MediaTime, type WriteOptions, Writer } from './writer.ts'

/** One stream that a section sends: alone, or one of several encodings (simulcast). */
export interface LocalStream {
  /** Which of several encodings it is, RFC 8851. */
  readonly rid?: Rid
  readonly ssrc: Ssrc
  /** The source of its retransmissions, RFC 4588. */
  readonly rtxSsrc?: Ssrc
}

/** One of the encodings that a section sends or receives, RFC 8853. */
export interface Encoding {
  readonly rid: Rid
  /** Whether its receiver does not want it for now. */
  readonly paused: boolean
  /** The payload types that it is restricted to; absent: all. */
  readonly pts?: readonly Pt[]
  /** The other restrictions, such as `max-width` (RFC 8851 section 5). */
  readonly restrictions: Readonly<Record<string, string>>
}

/** What a negotiation has made of a section. */
export interface NegotiatedMedia {
  /** Seen from here. */
  readonly direction: Direction
  /** Ours, with the payload types that were agreed on. */
  readonly local: MediaSection
  readonly remote: MediaSection
  /** Ours, and where the peer wants another payload type. */
  readonly paired: PairedPayloads
  /** The header extensions that were agreed on, their directions seen from here. */
  readonly extensions: readonly ExtensionMap[]
  readonly streams: readonly LocalStream[]
}

const NO_EXTENSIONS: readonly ExtensionMap[] = Object.freeze([])
const NO_FORMATS: Formats = formatsOf.audio(sameTypes(Object.freeze([])), Object.freeze([]))

/** One media section of the session: audio or video, one way or both. Made by `Rtc`; lives until the peer is closed. */
export class Media {
  readonly mid: Mid
  /** As packets have it. For `Rtc` alone. */
  readonly midBytes: Uint8Array
  readonly kind: 'audio' | 'video'
  /** Its place among the sections of the description. */
  readonly index: number
  readonly #owner: MediaOwner
  #direction: Direction = 'inactive'
  #stopped = false
  #formats = NO_FORMATS
  #extensionIds = extensionIdsOf(NO_EXTENSIONS)
  #sendExtensionIds = sendExtensionIdsOf(NO_EXTENSIONS)
  #remoteSsrcs: ReadonlySet<Ssrc> = new Set()
  #localStreams: readonly LocalStream[] = []
  #sendEncodings: readonly Encoding[] = []
  #receiveEncodings: readonly Encoding[] = []
  /** The peer's sources of retransmissions, and what they retransmit (`a=ssrc-group:FID`, RFC 5576). */
  #remoteRtxSsrcs: ReadonlyMap<Ssrc, Ssrc> = new Map()

  constructor(mid: Mid, kind: 'audio' | 'video', index: number, owner: MediaOwner) {
    this.mid = mid
    this.midBytes = encodeUtf8(mid)
    this.kind = kind
    this.index = index
    this.#owner = owner
  }

  /** As negotiated, seen from here. */
  get direction(): Direction {
    return this.#direction
  }

  /** Whether the section was rejected, or stopped by either side. */
  get stopped(): boolean {
    return this.#stopped
  }

  /** The negotiated codecs, in the order of preference. */
  get codecs(): readonly Codec[] {
    return this.#formats.codecs
  }

  /** The codec of a payload type. */
  codec(pt: Pt): Codec | undefined {
    return this.#formats.codecByPt[pt]
  }

  /** The header extensions of its packets. */
  get extensionIds(): ExtensionIds {
    return this.#extensionIds
  }

  /** Those that are sent. For `Rtc` alone. */
  get sendExtensionIds(): ExtensionIds {
    return this.#sendExtensionIds
  }

  /** The encodings that are to be sent (simulcast), in the order of preference; none where there is but one stream. */
  get sendEncodings(): readonly Encoding[] {
    return this.#sendEncodings
  }

  /** The encodings that come in (simulcast), in the sender's order of preference. */
  get receiveEncodings(): readonly Encoding[] {
    return this.#receiveEncodings
  }

  /** Our streams in this section; none where we never were to send. */
  get localStreams(): readonly LocalStream[] {
    return this.#localStreams
  }

  /** The sources that the peer's description names. */
  get remoteSsrcs(): ReadonlySet<Ssrc> {
    return this.#remoteSsrcs
  }

  /** Whether the peer understands picture loss indications or full intra requests. */
  get canRequestKeyframe(): boolean {
    return this.#formats.keyframes !== undefined
  }

  /** What the peer is asked for a keyframe with: a picture loss indication, unless it understands full intra requests alone. */
  get keyframeFeedback(): 'pli' | 'fir' | undefined {
    return this.#formats.keyframes
  }

  /**
   * Asks the sender for a keyframe, by a picture loss indication (RFC 4585 section 6.3.1) or a full intra request (RFC 5104
   * section 4.3.1), on each of the section's streams, or on that of `ssrc`. At most one goes out for a stream in half a second: false where none did, for
   * then its answer is on its way, or nothing comes in. Losses are reported without it. Default: `keyframeFeedback`. Throws a `UsageError`: `no-keyframes` for audio, or
   * `invalid-option` for another kind.
   */
  requestKeyframe(kind: 'pli' | 'fir' = this.#formats.keyframes ?? 'pli', ssrc?: Ssrc): boolean {
    if (this.kind !== 'video') throw new UsageError('no-keyframes', 'Audio has no keyframes to be asked for')
    if (kind !== 'pli' && kind !== 'fir') {
      throw new UsageError(
        'invalid-option',
        `A keyframe is asked for by "pli" or "fir", not "${String(kind)}"`,
      )
    }
    return this.#owner.requestKeyframe(this, kind, ssrc)
  }

  /**
   * What frames of this payload type are sent with, of the encoding `rid` where there are several. Throws a `UsageError`:
   * `unknown-payload-type`, `unknown-rid`, `wrong-mode` in RTP mode.
   */
  writer(pt: Pt, rid?: Rid): Writer {
    this.#checkMode(false)
    const codec = this.#codecOf(pt)
    this.#checkRid(rid)
    return new Writer(codec, rid, (time, data, options) =>
      this.#owner.write(this, rid, codec, time, data, options),
    )
  }

  /**
   * Sends the events of a telephone's keys (RFC 4733): digits `0` to `9`, `*`, `#`, `A` to `D`, which follow each other, or one event code. Each takes its duration and 100 ms, in which its end is
   * repeated. `pt` is that of a `telephone-event` among `codecs`, and of the clock rate of the audio beside it. What is left of them is dropped where a negotiation ends the sending. False where
   * nothing was sent since the peer is not connected, or there is no path to it any more. Throws a `UsageError`: `unknown-payload-type`, `busy` while others are sent, `invalid-option`,
   * `not-sending`, `closed`, `too-many-streams`.
   */
  sendTelephoneEvent(pt: Pt, event: string | number, options: TelephoneEventOptions = {}): boolean {
    const codec = this.#codecOf(pt)
    if (codec.name.toLowerCase() !== 'telephone-event') {
      throw new UsageError('unknown-payload-type', `Payload type ${pt} is ${codec.name}, not telephone-event`)
    }
    return this.#owner.sendTelephoneEvent(this, undefined, codec, eventCodes(event), options)
  }

  /** What packets are sent with as they are given, in RTP mode. Throws a `UsageError`: `unknown-rid`, `wrong-mode`. */
  rtpWriter(rid?: Rid): RtpWriter {
    this.#checkMode(true)
    this.#checkRid(rid)
    return new RtpWriter(rid, (fields, payload) => this.#owner.writeRtp(this, rid, fields, payload))
  }

  /**
   * What packets of other peers are sent on with, in RTP mode: one unbroken stream of one codec, whatever sources it comes from. A stream has one: make it
   * once, and another where another codec is to take over, which goes on from there. Throws a `UsageError`: `unknown-payload-type`, `unknown-rid`, `wrong-mode`, `not-sending`,
   * `too-many-streams` (the stream is new, after 65,535 others).
   */
  forwarder(pt: Pt, rid?: Rid): PacketForwarder {
    this.#checkMode(true)
    const codec = this.#codecOf(pt)
    this.#checkRid(rid)
    const forwarder = this.#owner.forwarder(this, rid, codec)
    return new PacketForwarder(codec, rid, forwarder, (packet) =>
      this.#owner.forward(this, rid, codec, forwarder, packet),
    )
  }

  #codecOf(pt: Pt): Codec {
    const codec = this.#formats.codecByPt[pt]
    if (codec !== undefined) return codec
    throw new UsageError('unknown-payload-type', `Payload type ${pt} was not negotiated: see media.codecs`)
  }

  #checkRid(rid: Rid | undefined): void {
    if (rid === undefined || this.localStream(rid) !== undefined) return
    throw new UsageError('unknown-rid', `There is no encoding "${rid}" to be sent: see media.sendEncodings`)
  }

  #checkMode(rtp: boolean): void {
    if (this.#owner.rtpMode === rtp) return
    throw new UsageError(
      'wrong-mode',
      rtp
        ? 'Packets are sent in RTP mode: new Rtc({ rtpMode: true })'
        : 'In RTP mode packets are sent, not frames: see media.rtpWriter and media.forwarder',
    )
  }

  /** The payload type that retransmits what is sent as `sendPt`. */
  rtxPt(sendPt: Pt): Pt | undefined {
    return this.#formats.rtxOf.get(sendPt)
  }

  /** What the payload type of a retransmission that comes in retransmits. */
  originalPt(rtxPt: Pt): Pt | undefined {
    return this.#formats.originalOf.get(rtxPt)
  }

  /** Whether the peer sends lost packets of this payload type again under another one. */
  isRetransmittedApart(pt: Pt): boolean {
    for (const original of this.#formats.originalOf.values()) if (original === pt) return true
    return false
  }

  /** The source that the peer's source of retransmissions goes with, where its description says so. */
  originalSsrc(rtxSsrc: Ssrc): Ssrc | undefined {
    return this.#remoteRtxSsrcs.get(rtxSsrc)
  }

  /** Whether lost packets are asked for again. */
  get nack(): boolean {
    return this.#formats.nack
  }

  /** The stream of an encoding, or the first, where the peer takes it. For `Rtc` alone. */
  localStream(rid: Rid | undefined): LocalStream | undefined {
    return rid === undefined ? this.#localStreams[0] : this.#localStreams.find((stream) => stream.rid === rid)
  }

  /** Takes what was negotiated. For `Rtc` alone. */
  negotiated({ direction, local, remote, paired, extensions, streams }: NegotiatedMedia): void {
    this.#direction = direction
    this.#stopped = false
    this.#formats = formatsOf[this.kind](paired, remote.payloads)
    this.#extensionIds = extensionIdsOf(extensions)
    this.#sendExtensionIds = sendExtensionIdsOf(extensions)
    this.#remoteSsrcs = new Set(remote.ssrcs.map(({ ssrc }) => ssrc))
    this.#remoteRtxSsrcs = new Map(flowsOf(remote).map(([original, rtx]) => [rtx, original]))
    this.#sendEncodings = encodingsOf(local, 'send', remote)
    this.#receiveEncodings = encodingsOf(local, 'recv', remote)
    this.#localStreams = agreedStreams(streams, this.#sendEncodings)
  }

  /** Ends it. For `Rtc` alone. */
  stop(): void {
    this.#stopped = true
    this.#direction = 'inactive'
  }
}

/** The flow identification groups of two: a source and its retransmissions, RFC 5576 section 4.2 and RFC 4588 section 8.8. */
function flowsOf({ ssrcGroups }: MediaSection): (readonly [Ssrc, Ssrc])[] {
  const flows: (readonly [Ssrc, Ssrc])[] = []
  for (const { semantics, ssrcs } of ssrcGroups) {
    const [original, rtx] = ssrcs
    if (semantics === 'FID' && original !== undefined && rtx !== undefined) flows.push([original, rtx])
  }
  return flows
}

/** The encodings of one direction that both sides list; each side may say that one is paused. */
function encodingsOf(local: MediaSection, direction: 'send' | 'recv', remote: MediaSection): Encoding[] {
  if (local.simulcast === undefined) return []
  const there = new Map(
    remote.simulcast?.[direction === 'send' ? 'recv' : 'send'].flatMap((alternatives) =>
      alternatives.map(({ rid, paused }) => [rid, paused] as const),
    ),
  )
  const descriptions = new Map(local.rids.map((rid) => [rid.id, rid]))
  const remoteRids = new Map(remote.rids.map((rid) => [rid.id, rid]))
  const encodings: Encoding[] = []
  for (const alternatives of local.simulcast[direction]) {
    for (const { rid, paused } of alternatives) {
      const pausedThere = there.get(rid)
      if (pausedThere === undefined) continue
      const description: RidDescription | undefined = remoteRids.get(rid) ?? descriptions.get(rid)
      encodings.push({
        rid,
        paused: paused || pausedThere,
        ...(description?.pts === undefined ? {} : { pts: description.pts }),
        restrictions: description?.restrictions ?? {},
      })
    }
  }
  return encodings
}

/** RFC 8853 section 5.3.3: without simulcast in the answer there is one stream, which has no rid; an encoding that the answer leaves out is not sent. */
function agreedStreams(
  streams: readonly LocalStream[],
  encodings: readonly Encoding[],
): readonly LocalStream[] {
  const [first] = streams
  if (first?.rid === undefined) return streams
  if (encodings.length > 0) return streams.filter((stream) => encodings.some(({ rid }) => rid === stream.rid))
  const { ssrc, rtxSsrc } = first
  return [rtxSsrc === undefined ? { ssrc } : { ssrc, rtxSsrc }]
}

/** Throws a `UsageError` (`invalid-option`). */
function eventCodes(event: string | number): readonly [number, ...number[]] {
  if (typeof event !== 'string') return [event]
  const codes: number[] = []
  for (const digit of event) {
    const code = dtmfEvent(digit)
    if (code === undefined) throw new UsageError('invalid-option', `"${digit}" is no key of a telephone`)
    codes.push(code)
  }
  const [first, ...others] = codes
  if (first === undefined) throw new UsageError('invalid-option', 'There is no key to be sent')
  return [first, ...others]
}

/** What a section's handles call. Implemented by `MediaPlane`. */
export interface MediaOwner {
  readonly rtpMode: boolean
  requestKeyframe(media: Media, kind: 'pli' | 'fir', ssrc: Ssrc | undefined): boolean
  write(
    media: Media,
    rid: Rid | undefined,
    codec: Codec,
    time: MediaTime,
    data: Uint8Array,
    options: WriteOptions,
  ): boolean
  sendTelephoneEvent(
    media: Media,
    rid: Rid | undefined,
    codec: Codec,
    events: readonly [number, ...number[]],
    options: TelephoneEventOptions,
  ): boolean
  writeRtp(media: Media, rid: Rid | undefined, fields: RtpFields, payload: Uint8Array): boolean
  /** Throws a `UsageError` (`not-sending`) where the section has no such stream. */
  forwarder(media: Media, rid: Rid | undefined, codec: Codec): Forwarder
  forward(media: Media, rid: Rid | undefined, codec: Codec, forwarder: Forwarder, packet: RtpPacket): boolean
}
