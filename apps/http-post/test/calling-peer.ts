import type { Socket } from 'node:dgram'
import { bindUdp, candidateAddresses, Peers } from '@str0m/demo-kit'
import { type ChannelId, type MediaData, Rtc, type RtcEvent, type RtcOptions } from '@str0m/rtc'
import type { FilmFrame } from '@str0m/demo-kit/film'
import { demandNoneDropped } from './dropped.ts'

/** 20 ms of silence, as Opus has it. */
const SILENCE = Uint8Array.of(0xf8, 0xff, 0xfe)
/** Pictures a second of the film. */
const RATE = 30

/** A peer on a socket of its own, for programs that are called, and not callers: it plays a film, and keeps what comes. */
export class CallingPeer {
  readonly rtc: Rtc
  readonly events: RtcEvent[] = []
  readonly frames: MediaData[] = []
  readonly messages: { readonly label: string; readonly data: string | Uint8Array }[] = []
  /** How many frames were sent on each section, or with each rid of a section. */
  readonly sent: Map<string, number> = new Map()
  /** Whether frames are sent back on the section that they come on. */
  echo = false
  readonly #peers: Peers
  readonly #socket: Socket
  readonly #timers: NodeJS.Timeout[] = []
  /** Sections, or their encodings, that have to start again with a keyframe. */
  readonly #wanted = new Set<string>()

  private constructor(socket: Socket, options: RtcOptions) {
    this.rtc = new Rtc(options)
    this.#socket = socket
    this.#peers = new Peers(socket, candidateAddresses([], socket), (_, event) => this.#handle(event))
    this.#peers.addCandidates(this.rtc)
    this.#peers.add(this.rtc)
  }

  static async start(options: RtcOptions = {}): Promise<CallingPeer> {
    return new CallingPeer(await bindUdp(0), options)
  }

  /** Of its socket. */
  get port(): number {
    return this.#socket.address().port
  }

  /** From now on, one packet in so many of this payload type does not reach the peer. */
  loseOneIn(count: number, pt: number): void {
    let packets = 0
    const listeners = this.#socket.listeners('message')
    this.#socket.removeAllListeners('message')
    this.#socket.on('message', (contents, from) => {
      // RFC 7983: RTP or RTCP, whose types are above those of payloads (RFC 5761 section 4)
      const isRtp = contents[0]! >= 128 && contents[0]! < 192
      if (isRtp && (contents[1]! & 127) === pt && ++packets % count === 0) return
      for (const listener of listeners) listener.call(this.#socket, contents, from)
    })
  }

  /** Calls methods of the peer, and drives it on. */
  do<T>(what: (rtc: Rtc) => T): T {
    this.#peers.tell(this.rtc)
    try {
      return what(this.rtc)
    } finally {
      this.#peers.changed(this.rtc)
    }
  }

  /** The events of a type, in which all of `what` is. */
  #all<T extends RtcEvent['type']>(type: T, what: object): Extract<RtcEvent, { type: T }>[] {
    const entries = Object.entries(what)
    return this.events.filter(
      (event): event is Extract<RtcEvent, { type: T }> =>
        event.type === type && entries.every(([key, value]) => Reflect.get(event, key) === value),
    )
  }

  find<T extends RtcEvent['type']>(type: T, what: object = {}): Extract<RtcEvent, { type: T }> | undefined {
    return this.#all(type, what)[0]
  }

  count(type: RtcEvent['type'], what: object = {}): number {
    return this.#all(type, what).length
  }

  framesOf(mid: string): MediaData[] {
    return this.frames.filter((frame) => frame.mid === mid)
  }

  /** Sends a film round and round, from a keyframe of it wherever one is asked for. */
  playVideo(mid: string, film: readonly FilmFrame[], rid?: string): void {
    const name = rid ?? mid
    let next = 0
    this.#every(1000 / RATE, (count) => {
      if (this.#wanted.delete(name)) next = 0
      const { data, keyframe } = film[next++ % film.length]!
      this.#write(
        name,
        mid,
        'VP8',
        { value: (count * 90_000) / RATE, clockRate: 90_000 },
        data,
        keyframe,
        rid,
      )
    })
  }

  playAudio(mid: string): void {
    this.#every(20, (count) => {
      this.#write(mid, mid, 'opus', { value: count * 960, clockRate: 48_000 }, SILENCE, true)
    })
  }

  #write(
    name: string,
    mid: string,
    codec: string,
    time: { value: number; clockRate: number },
    data: Uint8Array,
    keyframe: boolean,
    rid?: string,
  ): void {
    // it may be turned, or have ended, since this began
    const media = this.rtc.media(mid)
    if (media?.direction.startsWith('send') !== true) return
    const { pt } = media.codecs.find((each) => each.name.toLowerCase() === codec.toLowerCase())!
    if (this.do(() => media.writer(pt, rid).write(time, data, { keyframe }))) {
      this.sent.set(name, (this.sent.get(name) ?? 0) + 1)
    }
  }

  /** As often as it should have been, also where the machine left no time for it. Before the peer is connected, nothing is. */
  #every(step: number, send: (count: number) => void): void {
    let start: number | undefined
    let count = 0
    const timer = setInterval(() => {
      if (!this.rtc.connected) return
      start ??= performance.now()
      for (; start + count * step <= performance.now(); count++) send(count)
    }, step / 2)
    this.#timers.push(timer)
  }

  pause(): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
  }

  write(id: ChannelId, data: string | Uint8Array): void {
    this.do((rtc) => rtc.channel(id)!.write(data))
  }

  /** Ends its calls. Throws an `Error` where it had to drop anything of theirs. */
  close(): void {
    this.pause()
    this.#peers.close()
    this.#socket.close()
    demandNoneDropped(this.rtc)
  }

  #handle(event: RtcEvent): void {
    if (event.type === 'mediaData') {
      this.frames.push(event)
      const { mid, pt, time, data, keyframe } = event
      if (this.echo) this.rtc.media(mid)!.writer(pt).write(time, data, { keyframe })
      return
    }
    this.events.push(event)
    if (event.type === 'channelData') {
      this.messages.push({ label: this.rtc.channel(event.id)?.label ?? '', data: event.data })
    } else if (event.type === 'keyframeRequest') {
      this.#wanted.add(event.rid ?? event.mid)
    }
  }
}
