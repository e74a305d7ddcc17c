import { SeededRandom, type Ssrc } from '@str0m/sans-io'
import { type CodecCapability, DEFAULT_CODECS } from '@str0m/sdp'
import type {
  ChangeSet,
  Media,
  PacketForwarder,
  RtcEvent,
  RtcOptions,
  RtpPacket,
  RtpWriter,
} from '../src/index.ts'
import { FrameModel, PacketModel } from './forwarding-model.ts'
import { DAY, type End, Line, pick, WireCheck, World } from './forwarding-weather.ts'
import { FrameRegistry, LayeredSource, type LayeredCodec, type Shape } from './layered-source.ts'

/** Between pictures, ms. */
const INTERVAL = 50
const AUDIO_INTERVAL = 60

export interface PublisherOptions {
  readonly rids: readonly string[]
  /** The codecs that are agreed on, and how the first one is used. */
  readonly codecs: readonly LayeredCodec[]
  readonly shape: Shape
  readonly rtx: boolean
  readonly options: RtcOptions
  readonly pace: { readonly rate: number; readonly offset: number }
}

function codecsOf(videos: readonly string[], rtx: boolean): CodecCapability[] {
  const codecs = DEFAULT_CODECS.filter(({ name }) => name === 'opus' || videos.includes(name))
  if (rtx) return codecs
  return codecs.map((codec) => {
    const { preferredRtxPt, ...rest } = codec
    return preferredRtxPt === undefined ? codec : rest
  })
}

/** One encoding that is published, in packets. */
class Encoding {
  readonly rid: string | undefined
  source: LayeredSource
  isPaused = false
  wantsKeyframe = true
  sequenceNumber: number
  timestamp: number
  writer: RtpWriter | undefined

  constructor(rid: string | undefined, source: LayeredSource, random: SeededRandom) {
    this.rid = rid
    this.source = source
    this.sequenceNumber = (65_535 - random.integer(500)) & 0xffff
    this.timestamp = (0xffff_ffff - random.integer(2_000_000)) >>> 0
  }
}

export class Publisher {
  readonly index: number
  readonly line: Line
  readonly encodings: Encoding[]
  shape: Shape
  readonly #random: SeededRandom
  #audioCount = 0
  #audioWriter: RtpWriter | undefined
  keyframesAsked = 0
  videoMid: string

  constructor(stage: Stage, index: number, seed: number, options: PublisherOptions) {
    const { rids, codecs, shape, rtx, pace } = options
    this.index = index
    this.shape = shape
    this.#random = new SeededRandom(seed)
    this.line = new Line(seed, {
      near: { rtpMode: true, codecs: codecsOf(codecs, rtx), ...options.options },
      far: { rtpMode: true, codecs: codecsOf(codecs, rtx), ...options.options },
      pace,
    })
    this.encodings = (rids.length > 0 ? rids : [undefined]).map(
      (rid) => new Encoding(rid, stage.newSource(shape), this.#random),
    )
    this.videoMid = ''
    this.line.negotiate(stage.world.now, 'far', (set) => {
      set.addMedia('audio', 'sendonly')
      this.#addVideo(set)
    })
    this.line.onFar = (event) => {
      if (event.type !== 'keyframeRequest') return
      this.keyframesAsked++
      for (const encoding of this.encodings) if (encoding.rid === event.rid) encoding.wantsKeyframe = true
    }
    this.line.onNear = (event) => {
      if (event.type === 'rtpPacket') stage.forward(this, event)
    }
  }

  #addVideo(set: ChangeSet): void {
    const rids = this.encodings.flatMap(({ rid }) => (rid === undefined ? [] : [{ rid }]))
    this.videoMid = set.addMedia('video', 'sendonly', rids.length > 0 ? { encodings: rids } : {})
  }

  /** The video goes on in another section, from sources of its own. */
  replaceVideo(stage: Stage): void {
    const before = this.videoMid
    this.line.negotiate(stage.world.now, 'far', (set) => {
      set.stopMedia(before)
      this.#addVideo(set)
    })
    for (const encoding of this.encodings) {
      encoding.source = stage.newSource(this.shape)
      encoding.wantsKeyframe = true
      encoding.writer = undefined
    }
  }

  /** All encodings go over to another codec. */
  reshape(stage: Stage, shape: Shape): void {
    this.shape = shape
    for (const encoding of this.encodings) {
      encoding.source = stage.newSource(shape)
      encoding.wantsKeyframe = true
    }
  }

  /** An encoding's encoder and packetizer are made anew: the numbers are others. */
  restart(stage: Stage, encoding: Encoding): void {
    encoding.source = stage.newSource(this.shape)
    encoding.sequenceNumber = (encoding.sequenceNumber + 4000 + this.#random.integer(20_000)) & 0xffff
    encoding.timestamp = this.#random.u32()
    encoding.wantsKeyframe = true
  }

  video(now: number): void {
    const rtc = this.line.far.touch(now)
    const media = rtc.media(this.videoMid)!
    for (const encoding of this.encodings) {
      if (encoding.isPaused) continue
      encoding.writer ??= media.rtpWriter(encoding.rid)
      const { pt } = media.codecs.find(({ name }) => name === this.shape.codec)!
      const timestamp = (encoding.timestamp + Math.round(this.line.far.local(now) * 90)) % 0x1_0000_0000
      const packets = encoding.source.next(now, encoding.wantsKeyframe)
      encoding.wantsKeyframe = false
      for (const [i, { payload, marker, descriptor, frame }] of packets.entries()) {
        const isLast = packets[i + 1]?.frame !== frame
        const extensions = {
          ...(descriptor === undefined ? {} : { dependencyDescriptor: descriptor }),
          ...(frame.keyframe && isLast ? { videoRotation: rotationOf(frame.source) } : {}),
        }
        encoding.writer.write(
          { pt, sequenceNumber: encoding.sequenceNumber, timestamp, marker, extensions },
          payload,
        )
        encoding.sequenceNumber = (encoding.sequenceNumber + 1) & 0xffff
      }
    }
  }

  audio(now: number): void {
    const rtc = this.line.far.touch(now)
    const media = rtc.medias.find(({ kind }) => kind === 'audio')!
    this.#audioWriter ??= media.rtpWriter()
    const count = this.#audioCount++
    const payload = Uint8Array.of(0xfc, this.index, count >> 8, count & 0xff)
    const timestamp = Math.round(this.line.far.local(now) * 48) % 0x1_0000_0000
    this.#audioWriter.write(
      {
        pt: media.codecs.find(({ name }) => name === 'opus')!.pt,
        sequenceNumber: (65_500 + count) & 0xffff,
        timestamp,
        extensions: { audioLevel: count & 0x7f, voiceActivity: count % 3 === 0 },
      },
      payload,
    )
  }
}

const rotationOf = (source: number): number => (source % 4) * 90

export interface SubscriberOptions {
  readonly codecs: readonly LayeredCodec[]
  readonly rtx: boolean
  readonly near: RtcOptions
  readonly far: RtcOptions
  readonly offers: 'near' | 'far'
}

/** What a subscriber is to have: an encoding of a publisher. */
export interface Target {
  readonly publisher: Publisher
  readonly rid: string | undefined
}

export class Subscriber {
  readonly line: Line
  readonly name: string
  readonly frames: FrameModel | undefined
  readonly packets: PacketModel | undefined
  /** Of the forwarder that there is. */
  #codec: LayeredCodec
  /** Packets in a row of another codec than that. */
  #others = 0
  readonly #stage: Stage
  readonly #report: (problem: string) => void
  target: Target | undefined
  #video: PacketForwarder | undefined
  #audio: PacketForwarder | undefined
  keyframeRequests = 0
  audioCount = 0
  audioLate: number | undefined

  constructor(stage: Stage, seed: number, name: string, options: SubscriberOptions) {
    const { rtx, near, far, offers } = options
    const isRecorder = far.rtpMode === true
    this.#stage = stage
    this.name = name
    this.#codec = options.codecs[0]!
    this.#report = (problem) => stage.report(`${name}: ${problem}`)
    const codecs = codecsOf(options.codecs, rtx)
    this.line = new Line(seed, {
      near: { rtpMode: true, codecs, ...near },
      far: { codecs, ...far },
    })
    this.frames = isRecorder ? undefined : new FrameModel(stage.registry, this.#report)
    this.packets = isRecorder ? new PacketModel(stage.registry, this.#report) : undefined
    this.line.negotiate(stage.world.now, offers, (set) => {
      for (const kind of ['audio', 'video'] as const)
        set.addMedia(kind, offers === 'near' ? 'sendonly' : 'recvonly')
    })
    this.line.onSent = new WireCheck(this.line.near.rtc, this.#report).see
    this.line.onFar = (event) => this.#take(event)
    this.line.onNear = (event) => {
      if (event.type !== 'keyframeRequest') return
      this.keyframeRequests++
      // its decoder is stuck: the one who sends can help
      if (this.#video?.current !== undefined) stage.askForKeyframe(this.#video.current)
    }
  }

  get video(): PacketForwarder | undefined {
    if (this.#video !== undefined) return this.#video
    const media = this.#sending('video')
    const codec = media?.codecs.find(({ name }) => name === this.#codec)
    if (media === undefined || codec === undefined) return undefined
    return (this.#video = media.forwarder(codec.pt))
  }

  get #sound(): PacketForwarder | undefined {
    if (this.#audio !== undefined) return this.#audio
    const media = this.#sending('audio')
    const codec = media?.codecs.find(({ name }) => name === 'opus')
    if (media === undefined || codec === undefined) return undefined
    return (this.#audio = media.forwarder(codec.pt))
  }

  #sending(kind: 'audio' | 'video'): Media | undefined {
    return this.line.near.rtc.medias.find(
      (media) => media.kind === kind && media.direction.startsWith('send'),
    )
  }

  /** Selects the newest source of what it is to have. */
  choose(): void {
    const { target } = this
    if (target === undefined) return
    const { publisher, rid } = target
    const video = this.#stage.sourceOf(publisher, rid)
    if (video !== undefined && video !== this.video?.selected) this.video?.select(video)
    const audio = this.#stage.sourceOf(publisher, 'audio')
    if (audio !== undefined && audio !== this.#sound?.selected) this.#sound?.select(audio)
  }

  forward(packet: RtpPacket): void {
    const isSound = packet.codec.name === 'opus'
    if (this.#sending(isSound ? 'audio' : 'video') === undefined) return
    if (!isSound) this.#followCodec(packet)
    const forwarder = isSound ? this.#sound : this.video
    if (forwarder === undefined) return
    if (forwarder.forward(packet)) this.line.near.isDirty = true
    if (!isSound && forwarder.selected === packet.ssrc && forwarder.needsKeyframe)
      this.#stage.askForKeyframe(packet.ssrc)
  }

  /** Where what is selected comes in another codec, another forwarder takes over. */
  #followCodec({ codec, ssrc, retransmitted, startsKeyframe }: RtpPacket): void {
    const selected = this.#video?.selected
    if (ssrc !== selected || retransmitted) return
    this.#others = codec.name === this.#codec ? 0 : this.#others + 1
    if (this.#others === 0 || (this.#others < 3 && !startsKeyframe)) return
    this.#codec = codec.name as LayeredCodec
    this.#video = undefined
    if (this.packets !== undefined) this.packets.isRenumbered = true
    this.video?.select(selected)
  }

  #take(event: RtcEvent): void {
    if (event.type === 'mediaData') {
      if (event.codec.name === 'opus') this.#hear(event.data, event.extensions, event.captureTime)
      else {
        this.frames?.take(event)
        if (event.keyframe && this.frames?.last !== undefined) {
          const rotation = rotationOf(this.frames.last.source)
          if (event.extensions.videoRotation !== rotation)
            this.#report(`a keyframe turned by ${event.extensions.videoRotation}, not ${rotation}`)
        }
      }
    } else if (event.type === 'rtpPacket') {
      if (event.codec.name === 'opus') this.#hear(event.payload, event.extensions, event.captureTime)
      else this.packets?.take(event)
    } else if (event.type === 'closed') this.#report(`closed ${event.reason} ${event.detail}`)
  }

  #hear(
    data: Uint8Array,
    extensions: { audioLevel?: number; voiceActivity?: boolean },
    captureTime: number | undefined,
  ): void {
    if (data.length === 0) return
    const count = (data[2]! << 8) | data[3]!
    this.audioCount++
    if (data[0] !== 0xfc || data.length !== 4) this.#report('a sound that was not sent')
    if (extensions.audioLevel !== (count & 0x7f) || extensions.voiceActivity !== (count % 3 === 0))
      this.#report(`sound ${count} has the level ${extensions.audioLevel}`)
    this.audioLate =
      captureTime === undefined ? undefined : captureTime - DAY - this.#stage.soundAt(data[1]!, count)
  }
}

export class Stage {
  readonly world = new World()
  readonly registry = new FrameRegistry()
  readonly random: SeededRandom
  readonly publishers: Publisher[] = []
  readonly subscribers = new Set<Subscriber>()
  readonly problems: string[] = []
  readonly #sources = new Map<string, Ssrc>()
  readonly #publisherOf = new Map<Ssrc, Publisher>()
  readonly #soundAt = new Map<number, number>()
  #sourceCount = 0
  #nextVideo = 0
  #nextAudio = 0
  #soundCount = 0

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
  }

  report(problem: string): void {
    if (this.problems.length < 20) this.problems.push(`${Math.round(this.world.now)} ms, ${problem}`)
  }

  newSource(shape: Shape): LayeredSource {
    return new LayeredSource(this.#sourceCount++, shape, this.random, this.registry)
  }

  addPublisher(seed: number, options: PublisherOptions): Publisher {
    const publisher = new Publisher(this, this.publishers.length, seed, options)
    this.publishers.push(publisher)
    this.world.lines.add(publisher.line)
    return publisher
  }

  addSubscriber(seed: number, name: string, options: SubscriberOptions): Subscriber {
    const subscriber = new Subscriber(this, seed, name, options)
    this.subscribers.add(subscriber)
    this.world.lines.add(subscriber.line)
    return subscriber
  }

  removeSubscriber(subscriber: Subscriber): void {
    subscriber.packets?.finish()
    this.subscribers.delete(subscriber)
    this.world.lines.delete(subscriber.line)
    subscriber.line.near.rtc.close()
  }

  soundAt(publisher: number, count: number): number {
    return this.#soundAt.get(publisher * 0x1_0000 + count)!
  }

  sourceOf(publisher: Publisher, rid: string | undefined): Ssrc | undefined {
    return this.#sources.get(`${publisher.index}/${rid ?? ''}`)
  }

  forward(publisher: Publisher, packet: RtpPacket): void {
    const { ssrc } = packet
    if (!this.#publisherOf.has(ssrc)) {
      this.#publisherOf.set(ssrc, publisher)
      const rid = packet.codec.name === 'opus' ? 'audio' : (packet.rid ?? '')
      this.#sources.set(`${publisher.index}/${rid}`, ssrc)
      for (const subscriber of this.subscribers) subscriber.choose()
    }
    for (const subscriber of this.subscribers) subscriber.forward(packet)
  }

  askForKeyframe(ssrc: Ssrc): void {
    const publisher = this.#publisherOf.get(ssrc)
    const near: End | undefined = publisher?.line.near
    const media = near?.rtc.medias.find(({ mid }) => mid === publisher?.videoMid)
    if (media?.requestKeyframe('pli', ssrc) === true) near!.isDirty = true
  }

  /** Lets all publish for so long. */
  run(duration: number): void {
    for (const end = this.world.now + duration; this.world.now < end;) {
      const { now } = this.world
      if (now >= this.#nextVideo) {
        for (const publisher of this.publishers) publisher.video(now)
        this.#nextVideo = now + INTERVAL
      }
      if (now >= this.#nextAudio) {
        for (const publisher of this.publishers) {
          this.#soundAt.set(publisher.index * 0x1_0000 + this.#soundCount, now)
          publisher.audio(now)
        }
        this.#soundCount++
        this.#nextAudio = now + AUDIO_INTERVAL
      }
      this.world.runUntil(Math.min(end, this.#nextVideo, this.#nextAudio))
    }
  }

  connect(): void {
    for (let i = 0; i < 100; i++) {
      this.world.runUntil(this.world.now + 50)
      if ([...this.world.lines].every((line) => line.connected)) return
    }
    this.report('not all connected')
  }

  randomTarget(): Target {
    const publisher = pick(this.random, this.publishers)
    return { publisher, rid: pick(this.random, publisher.encodings).rid }
  }
}
