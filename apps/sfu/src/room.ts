import { randomUUID } from 'node:crypto'
import type { Peers } from '@str0m/demo-kit'
import {
  type Answer,
  DtlsCertificate,
  type Media,
  type Offer,
  type PacketForwarder,
  Rtc,
  type RtcEvent,
  type RtcOptions,
  type RtpPacket,
} from '@str0m/rtc'
import { UsageError } from '@str0m/sans-io'
import { DEFAULT_CODECS } from '@str0m/sdp'
import { chooseEncoding, desiredBitrate } from './encoding-choice.ts'

/** One codec of each kind, so that what the publisher sends is what each subscriber takes. */
const CODECS = DEFAULT_CODECS.filter(({ name }) => name === 'opus' || name === 'VP8')

/** How many watch at once, at most. */
export const MAX_SUBSCRIBERS = 100

type Kind = 'audio' | 'video'

/** The way of one kind of media to one subscriber. */
interface Way {
  readonly media: Media
  readonly forwarder: PacketForwarder
}

interface Subscriber {
  /** Not to be guessed: who knows it can end the call. */
  readonly id: string
  readonly rtc: Rtc
  readonly ways: Map<Kind, Way>
  /** The encoding of the video that it wants; `undefined`: the largest that there is room for. */
  rid: string | undefined
  /** Bits per second that its path takes. */
  estimate: number
}

/** One of the publisher's streams. */
interface Source {
  readonly ssrc: number
  readonly kind: Kind
  readonly rid: string | undefined
  /** Bytes since the last time that rates were taken, and bits per second then. */
  bytes: number
  bitrate: number
}

/** Milliseconds between one measuring of rates and the next. */
const RATE_INTERVAL = 1000
/** What a rate falls to at least from one measuring to the next: a second of a still picture does not make a small encoding of a large one. */
const RATE_DECAY = 0.95
/** What a path is taken for before anything is known of it, bits per second. */
const INITIAL_BITRATE = 500_000

/** One publisher and those who watch it: packets of the one, forwarded to each of the others. */
export class Room {
  readonly #certificate = DtlsCertificate.generate()
  readonly #subscribers = new Map<Rtc, Subscriber>()
  readonly #sources = new Map<number, Source>()
  #peers: Peers | undefined
  #publisher: { readonly id: string; readonly rtc: Rtc } | undefined
  #ratesAt = 0

  /** Says what drives the peers. */
  drivenBy(peers: Peers): void {
    this.#peers = peers
  }

  /** Answers the one who sends; another one that was there leaves. Throws a `UsageError`, `nothing-taken` where there is nothing to forward. */
  publish(offer: Offer): { id: string; answer: Answer } {
    const { rtc, answer } = this.#answer(offer, {})
    if (!rtc.medias.some(({ direction }) => direction === 'recvonly' || direction === 'sendrecv')) {
      throw new UsageError('nothing-taken', 'The offer sends neither VP8 nor Opus')
    }
    const before = this.#publisher
    const id = randomUUID()
    this.#publisher = { id, rtc }
    this.#sources.clear()
    if (before !== undefined) this.#close(before.rtc)
    this.#peers?.add(rtc)
    return { id, answer }
  }

  /** Answers one who watches. Throws a `UsageError`: `nothing-taken` where nothing could be sent to it, `too-many-subscribers`. */
  subscribe(offer: Offer): { id: string; answer: Answer } {
    if (this.#subscribers.size >= MAX_SUBSCRIBERS) {
      throw new UsageError('too-many-subscribers', `${MAX_SUBSCRIBERS} watch already`)
    }
    const { rtc, answer } = this.#answer(offer, { bandwidthEstimation: { initialBitrate: INITIAL_BITRATE } })
    const subscriber: Subscriber = {
      id: randomUUID(),
      rtc,
      ways: new Map(),
      rid: undefined,
      estimate: INITIAL_BITRATE,
    }
    for (const media of rtc.medias) {
      if (media.direction !== 'sendonly' && media.direction !== 'sendrecv') continue
      const codec = media.codecs.find(({ name }) => name === (media.kind === 'audio' ? 'opus' : 'VP8'))
      if (codec === undefined || subscriber.ways.has(media.kind)) continue
      subscriber.ways.set(media.kind, { media, forwarder: media.forwarder(codec.pt) })
    }
    if (subscriber.ways.size === 0) {
      throw new UsageError('nothing-taken', 'The offer receives neither VP8 nor Opus')
    }
    this.#subscribers.set(rtc, subscriber)
    this.#choose(subscriber)
    this.#peers?.add(rtc)
    return { id: subscriber.id, answer }
  }

  /** Gives a subscriber another encoding of the video, or, `undefined`, what there is room for. False where there is no such subscriber. */
  select(id: string, rid: string | undefined): boolean {
    const subscriber = this.#find(id)
    if (subscriber === undefined) return false
    subscriber.rid = rid
    this.#choose(subscriber)
    return true
  }

  /** Says goodbye to the publisher, or to a subscriber. False where there is none of this id. */
  end(id: string): boolean {
    const peer = this.#publisher?.id === id ? this.#publisher : this.#find(id)
    if (peer === undefined) return false
    this.#close(peer.rtc)
    return true
  }

  /** The encodings of the video that the publisher sends. */
  get encodings(): string[] {
    return [...this.#sources.values()].map(({ rid }) => rid).filter((rid) => rid !== undefined)
  }

  /** Takes what happens to one of the peers. */
  handleEvent(rtc: Rtc, event: RtcEvent): void {
    switch (event.type) {
      case 'rtpPacket':
        if (rtc === this.#publisher?.rtc) this.#forward(rtc, event)
        break
      case 'keyframeRequest': {
        // the subscriber's decoder is stuck: the one who sends can help
        const way = this.#subscribers.get(rtc)?.ways.get('video')
        if (way?.forwarder.current !== undefined) this.#askForKeyframe(way.forwarder.current)
        break
      }
      case 'egressBitrateEstimate': {
        const subscriber = this.#subscribers.get(rtc)
        if (subscriber === undefined) break
        subscriber.estimate = event.bitrate
        this.#choose(subscriber)
        break
      }
      case 'closed':
        this.#subscribers.delete(rtc)
        if (rtc !== this.#publisher?.rtc) break
        this.#publisher = undefined
        this.#sources.clear()
        break
      default:
        break
    }
  }

  #find(id: string): Subscriber | undefined {
    return [...this.#subscribers.values()].find((known) => known.id === id)
  }

  #close(rtc: Rtc): void {
    rtc.close()
    this.#peers?.changed(rtc)
  }

  #answer(offer: Offer, options: RtcOptions): { rtc: Rtc; answer: Answer } {
    const rtc = new Rtc({ certificate: this.#certificate, codecs: CODECS, rtpMode: true, ...options })
    this.#peers?.addCandidates(rtc)
    return { rtc, answer: rtc.acceptOffer(offer) }
  }

  /** The heart of it: each packet goes to each subscriber, which takes those of the source that it has selected. */
  #forward(publisher: Rtc, packet: RtpPacket): void {
    const { ssrc, rid, mid } = packet
    let source = this.#sources.get(ssrc)
    if (source === undefined) {
      source = { ssrc, rid, kind: publisher.media(mid)?.kind ?? 'video', bytes: 0, bitrate: 0 }
      this.#sources.set(ssrc, source)
      for (const subscriber of this.#subscribers.values()) this.#choose(subscriber)
    }
    source.bytes += packet.bytes.length
    if (packet.receivedAt >= this.#ratesAt + RATE_INTERVAL) this.#takeRates(packet.receivedAt)
    for (const { rtc, ways } of this.#subscribers.values()) {
      const way = ways.get(source.kind)
      if (way === undefined) continue
      if (way.forwarder.forward(packet)) this.#peers?.changed(rtc)
      // asked again until it comes: at most one request in half a second goes out
      if (source.kind === 'video' && way.forwarder.selected === ssrc && way.forwarder.needsKeyframe) {
        this.#askForKeyframe(ssrc)
      }
    }
  }

  /** Measures what each source takes, and chooses anew. */
  #takeRates(now: number): void {
    for (const source of this.#sources.values()) {
      const measured = (8000 * source.bytes) / (now - this.#ratesAt)
      source.bitrate = measured === 0 ? 0 : Math.max(measured, RATE_DECAY * source.bitrate)
      source.bytes = 0
    }
    this.#ratesAt = now
    const desired = desiredBitrate(this.#flowing)
    for (const subscriber of this.#subscribers.values()) {
      this.#choose(subscriber)
      if (desired === 0 || subscriber.rtc.closed) continue
      this.#peers?.tell(subscriber.rtc)
      subscriber.rtc.setDesiredBitrate(desired)
      this.#peers?.changed(subscriber.rtc)
    }
  }

  /** The encodings that come in now. */
  get #flowing(): Source[] {
    return [...this.#sources.values()].filter(({ kind, bitrate }) => kind === 'video' && bitrate > 0)
  }

  /** Selects what a subscriber is to have. What it had before goes on until the new one's keyframe. */
  #choose(subscriber: Subscriber): void {
    for (const [kind, { forwarder }] of subscriber.ways) {
      const sources = [...this.#sources.values()].filter((source) => source.kind === kind)
      const known = sources.find(({ ssrc }) => ssrc === forwarder.selected) ?? sources[0]
      const wanted = kind === 'video' ? this.#wantedVideo(subscriber, known?.ssrc) : undefined
      const next = wanted ?? known?.ssrc
      if (next !== undefined && next !== forwarder.selected) forwarder.select(next)
    }
  }

  /** The encoding that a subscriber asked for, or the one that there is room for. */
  #wantedVideo({ rid, estimate }: Subscriber, current: number | undefined): number | undefined {
    if (rid === undefined) return chooseEncoding(this.#flowing, estimate, current)
    return [...this.#sources.values()].find((source) => source.rid === rid)?.ssrc
  }

  #askForKeyframe(ssrc: number): void {
    const publisher = this.#publisher?.rtc
    const media = publisher?.medias.find(({ kind }) => kind === 'video')
    if (publisher === undefined || media?.requestKeyframe('pli', ssrc) !== true) return
    this.#peers?.changed(publisher)
  }
}
