import type { Peers } from '@str0m/demo-kit'
import {
  type Answer,
  DtlsCertificate,
  type Media,
  type Offer,
  type PacketForwarder,
  Rtc,
  type RtcEvent,
  type RtpPacket,
} from '@str0m/rtc'
import { DEFAULT_CODECS } from '@str0m/sdp'

/** One codec of each kind, so that what the publisher sends is what each subscriber takes. */
const CODECS = DEFAULT_CODECS.filter(({ name }) => name === 'opus' || name === 'VP8')

type Kind = 'audio' | 'video'

/** The way of one kind of media to one subscriber. */
interface Way {
  readonly media: Media
  readonly forwarder: PacketForwarder
}

interface Subscriber {
  readonly id: string
  readonly rtc: Rtc
  readonly ways: Map<Kind, Way>
  /** The encoding of the video that it wants; `undefined`: the first that comes. */
  rid: string | undefined
}

/** One of the publisher's streams. */
interface Source {
  readonly ssrc: number
  readonly kind: Kind
  readonly rid: string | undefined
}

/** One publisher and those who watch it: packets of the one, forwarded to each of the others. */
export class Room {
  readonly #certificate = DtlsCertificate.generate()
  readonly #subscribers = new Map<Rtc, Subscriber>()
  readonly #sources = new Map<number, Source>()
  #peers: Peers | undefined
  #publisher: Rtc | undefined
  #count = 0

  /** Says what drives the peers. */
  drivenBy(peers: Peers): void {
    this.#peers = peers
  }

  /** Answers the one who sends; another one that was there leaves. Throws a `UsageError`. */
  publish(offer: Offer): Answer {
    const { rtc, answer } = this.#answer(offer)
    const before = this.#publisher
    this.#publisher = rtc
    this.#sources.clear()
    if (before !== undefined) {
      before.close()
      this.#peers?.changed(before)
    }
    this.#peers?.add(rtc)
    return answer
  }

  /** Answers one who watches. Throws a `UsageError`. */
  subscribe(offer: Offer): { id: string; answer: Answer } {
    const { rtc, answer } = this.#answer(offer)
    const subscriber: Subscriber = { id: String(++this.#count), rtc, ways: new Map(), rid: undefined }
    for (const media of rtc.medias) {
      const codec = media.codecs.find(({ name }) => name === (media.kind === 'audio' ? 'opus' : 'VP8'))
      if (codec === undefined || subscriber.ways.has(media.kind)) continue
      subscriber.ways.set(media.kind, { media, forwarder: media.forwarder(codec.pt) })
    }
    this.#subscribers.set(rtc, subscriber)
    for (const source of this.#sources.values()) this.#choose(subscriber, source)
    this.#peers?.add(rtc)
    return { id: subscriber.id, answer }
  }

  /** Gives a subscriber another encoding of the video. False where there is no such subscriber. */
  select(id: string, rid: string): boolean {
    const subscriber = [...this.#subscribers.values()].find((known) => known.id === id)
    if (subscriber === undefined) return false
    subscriber.rid = rid
    for (const source of this.#sources.values()) this.#choose(subscriber, source)
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
        if (rtc === this.#publisher) this.#forward(rtc, event)
        break
      case 'keyframeRequest': {
        // the subscriber's decoder is stuck: the one who sends can help
        const way = this.#subscribers.get(rtc)?.ways.get('video')
        if (way?.forwarder.current !== undefined) this.#askForKeyframe(way.forwarder.current)
        break
      }
      case 'closed':
        this.#subscribers.delete(rtc)
        if (rtc === this.#publisher) this.#publisher = undefined
        break
      default:
        break
    }
  }

  #answer(offer: Offer): { rtc: Rtc; answer: Answer } {
    const rtc = new Rtc({ certificate: this.#certificate, codecs: CODECS, rtpMode: true })
    this.#peers?.addCandidates(rtc)
    return { rtc, answer: rtc.acceptOffer(offer) }
  }

  /** The heart of it: each packet goes to each subscriber, which takes those of the source that it has selected. */
  #forward(publisher: Rtc, packet: RtpPacket): void {
    const { ssrc, rid, mid } = packet
    let source = this.#sources.get(ssrc)
    if (source === undefined) {
      source = { ssrc, rid, kind: publisher.media(mid)?.kind ?? 'video' }
      this.#sources.set(ssrc, source)
      for (const subscriber of this.#subscribers.values()) this.#choose(subscriber, source)
    }
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

  /** Selects a source where a subscriber wants it. What it had before goes on until the new one's keyframe. */
  #choose({ ways, rid }: Subscriber, source: Source): void {
    const forwarder = ways.get(source.kind)?.forwarder
    if (forwarder === undefined) return
    const known = forwarder.selected !== undefined && this.#sources.has(forwarder.selected)
    if (source.kind === 'video' && rid !== undefined ? source.rid !== rid : known) return
    forwarder.select(source.ssrc)
  }

  #askForKeyframe(ssrc: number): void {
    const publisher = this.#publisher
    const media = publisher?.medias.find(({ kind }) => kind === 'video')
    if (publisher === undefined || media?.requestKeyframe('pli', ssrc) !== true) return
    this.#peers?.changed(publisher)
  }
}
