import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { destinationFor, type MediaConnections } from '@str0m/demo-kit'
import {
  type Answer,
  type ChannelData,
  Candidate,
  DtlsCertificate,
  type MediaData,
  type Offer,
  Rtc,
  type RtcEvent,
  RtcRouter,
} from '@str0m/rtc'
import { type SocketAddress, UsageError } from '@str0m/sans-io'
import { EchoQueue } from './echo-queue.ts'
import { Viewers } from './viewers.ts'
import {
  acceptWhole,
  checkSome,
  checkWhole,
  credentialsOf,
  type IceCredentials,
  isSameSession,
  restarted,
} from './whip.ts'

export interface CallsOptions {
  readonly socket: Socket
  /** Of peers that no UDP reaches; `undefined`: none are taken. */
  readonly connections: MediaConnections | undefined
  /** The addresses that browsers are told. */
  readonly addresses: readonly string[]
  /** How many there are at once, at most. */
  readonly maxCalls: number
  readonly log: (line: string) => void
  /** Is given each frame beside its line, with the number of the peer that it came from. */
  readonly onFrame?: (frame: MediaData, peer: number) => void
}

interface Call {
  /** Not to be guessed: who knows it can end the call. */
  readonly id: string
  /** For the log. */
  readonly number: number
  readonly rtc: Rtc
  readonly echo: boolean
  /** How its offers are answered. */
  readonly accept: (offer: Offer) => Answer
  /** Messages on their way back. */
  readonly messages: EchoQueue
  /** The latest that was agreed on. */
  offer: Offer
  answer: Answer
}

/**
 * All calls on one UDP socket. This is what a program does with the library: it gives datagrams and the time to the machine, polls it, sends
 * what it hands out, and waits.
 */
export class Calls {
  readonly #socket: Socket
  readonly #connections: MediaConnections | undefined
  readonly #addresses: readonly string[]
  readonly #port: number
  readonly #mapped: boolean
  readonly #maxCalls: number
  readonly #log: (line: string) => void
  readonly #onFrame: CallsOptions['onFrame']
  readonly #router = new RtcRouter()
  readonly #certificate = DtlsCertificate.generate()
  readonly #calls = new Map<Rtc, Call>()
  readonly #byId = new Map<string, Call>()
  readonly #viewers = new Viewers()
  #count = 0
  #timer: NodeJS.Timeout | undefined

  constructor({ socket, connections, addresses, maxCalls, log, onFrame }: CallsOptions) {
    this.#socket = socket
    this.#connections = connections
    this.#addresses = addresses
    this.#port = socket.address().port
    this.#mapped = socket.address().family === 'IPv6'
    this.#maxCalls = maxCalls
    this.#log = log
    this.#onFrame = onFrame
    socket.on('message', (contents, { address, port }) =>
      this.#receive('udp', this.#port, contents, { address: address.replace(/^::ffff:/, ''), port }),
    )
    if (connections !== undefined)
      connections.onDatagram = (contents, source) => this.#receive('tcp', connections.port, contents, source)
    // an address that cannot be reached is ICE's matter: it tries others
    socket.on('error', (error) => console.error(`UDP: ${error.message}`))
  }

  /** How many calls there are. */
  get size(): number {
    return this.#router.size
  }

  /** Whether there is no room for another one. */
  get isFull(): boolean {
    return this.#router.size >= this.#maxCalls
  }

  /**
   * Answers an offer: a new call. With `echo`, what comes in is sent back. With `whip`, it is answered as RFC 9725 wants it, as a whole or not at all. Throws a
   * `UsageError` for an offer that cannot be taken.
   */
  accept(
    offer: Offer,
    { echo = false, whip = false }: { readonly echo?: boolean; readonly whip?: boolean } = {},
  ): { id: string; answer: Answer } {
    const rtc = this.#makePeer()
    // 3. The answer. It goes back over HTTP.
    const accept = (offered: Offer): Answer =>
      whip ? acceptWhole(rtc, offered, echo ? 'sendrecv' : 'recvonly') : rtc.acceptOffer(offered)
    const answer = accept(offer)
    if (whip) checkWhole(offer, answer)
    checkSome(answer)
    return { id: this.#add(rtc, { echo, accept, offer, answer }), answer }
  }

  /**
   * Answers one who watches the latest call that sends (WHEP): the frames of that go to this one, until it ends. `undefined` where there is none. Throws a `UsageError` for an offer
   * that cannot be taken.
   */
  watch(offer: Offer): { id: string; answer: Answer } | undefined {
    const publisher = Array.from(this.#calls.keys()).findLast((rtc) => !this.#viewers.has(rtc) && !rtc.closed)
    if (publisher === undefined) return undefined
    const rtc = this.#makePeer()
    const accept = (offered: Offer): Answer => acceptWhole(rtc, offered, 'sendonly')
    const answer = accept(offer)
    checkWhole(offer, answer)
    checkSome(answer)
    this.#viewers.add(rtc, publisher)
    return { id: this.#add(rtc, { echo: false, accept, offer, answer }), answer }
  }

  #makePeer(): Rtc {
    // 1. A peer.
    const rtc = new Rtc({ certificate: this.#certificate })
    // 2. Where it can be reached.
    for (const address of this.#addresses) {
      rtc.addLocalCandidate(Candidate.host({ address, port: this.#port }, 'udp'))
      if (this.#connections !== undefined)
        rtc.addLocalCandidate(Candidate.host({ address, port: this.#connections.port }, 'tcp'))
    }
    return rtc
  }

  #add(rtc: Rtc, rest: Pick<Call, 'echo' | 'accept' | 'offer' | 'answer'>): string {
    // 4. From here on, the run loop drives it.
    const call: Call = {
      id: randomUUID(),
      number: ++this.#count,
      rtc,
      messages: new EchoQueue(rtc),
      ...rest,
    }
    this.#calls.set(rtc, call)
    this.#byId.set(call.id, call)
    this.#router.add(rtc)
    this.#run()
    return call.id
  }

  has(id: string): boolean {
    return this.#byId.has(id)
  }

  /** Answers another offer of a call; `undefined` where there is no such call. Throws a `UsageError`. */
  renegotiate(id: string, offer: Offer): Answer | undefined {
    const call = this.#byId.get(id)
    if (call === undefined) return undefined
    call.answer = call.accept(offer)
    call.offer = offer
    this.#changed(call.rtc)
    return call.answer
  }

  /** What names the ICE session of a call: another one after each ICE restart. `undefined` where there is no such call. */
  iceSession(id: string): string | undefined {
    return credentialsOf(this.#byId.get(id)?.answer.sdp ?? '')?.ufrag
  }

  /** The peer's side of the ICE session of a call. */
  remoteCredentials(id: string): IceCredentials | undefined {
    return credentialsOf(this.#byId.get(id)?.offer.sdp ?? '')
  }

  /** Starts ICE again with a peer that has new credentials; all else stays. Throws a `UsageError`. */
  restartIce(id: string, credentials: IceCredentials): Answer | undefined {
    const call = this.#byId.get(id)
    return call && this.renegotiate(id, { type: 'offer', sdp: restarted(call.offer.sdp, credentials) })
  }

  /** Takes candidates that came after the offer, as RFC 8839 writes them; not those of another ICE session. False where there is no such call. */
  trickle(id: string, candidates: readonly string[]): boolean {
    const rtc = this.#byId.get(id)?.rtc
    if (rtc === undefined) return false
    const ufrag = this.remoteCredentials(id)?.ufrag
    for (const candidate of candidates) {
      if (isSameSession(candidate, ufrag)) rtc.addRemoteCandidate(candidate)
    }
    this.#changed(rtc)
    return true
  }

  /** Ends a call. False where there is no such call. */
  end(id: string): boolean {
    const rtc = this.#byId.get(id)?.rtc
    if (rtc === undefined) return false
    rtc.close()
    this.#changed(rtc)
    return true
  }

  /** Says goodbye to all. */
  close(): void {
    for (const rtc of this.#router.peers) {
      rtc.close()
      this.#changed(rtc)
    }
    clearTimeout(this.#timer)
  }

  /** After a method of a peer was called, it is polled. */
  #changed(rtc: Rtc): void {
    this.#router.changed(rtc)
    this.#run()
  }

  /** Input: a datagram. */
  #receive(proto: 'udp' | 'tcp', port: number, contents: Uint8Array, source: SocketAddress): void {
    const address = destinationFor(source.address, this.#addresses)
    if (address === undefined) return
    this.#router.handleInput({
      kind: 'receive',
      now: performance.now(),
      proto,
      source,
      destination: { address, port },
      contents,
    })
    this.#run()
  }

  /** Polls until nothing is left to do, then sleeps until the next thing is. */
  #run(): void {
    for (;;) {
      const output = this.#router.pollOutput()
      switch (output.kind) {
        case 'transmit': {
          if (output.proto === 'tcp') {
            this.#connections?.send(output.contents, output.destination)
            break
          }
          const { address, port } = output.destination
          const target = this.#mapped && !address.includes(':') ? `::ffff:${address}` : address
          this.#socket.send(output.contents, port, target)
          break
        }
        case 'event':
          this.#handleEvent(output.rtc, output.event)
          break
        case 'timeout':
          this.#wakeAt(output.at)
          return
      }
    }
  }

  /** Input: the time. */
  #wakeAt(at: number): void {
    clearTimeout(this.#timer)
    if (at === Infinity) return
    this.#timer = setTimeout(
      () => {
        this.#router.handleInput({ kind: 'timeout', now: performance.now() })
        this.#run()
      },
      // Node's timers cut off fractions: rounded down, each would come twice
      Math.ceil(Math.max(0, at - performance.now())),
    )
  }

  #handleEvent(rtc: Rtc, event: RtcEvent): void {
    switch (event.type) {
      case 'mediaData':
        this.#print(rtc, mediaDataLine(event))
        this.#onFrame?.(event, this.#calls.get(rtc)?.number ?? 0)
        if (this.#calls.get(rtc)?.echo === true) this.#attempt(rtc, () => echo(rtc, event))
        for (const viewer of this.#viewers.of(rtc)) this.#show(viewer, rtc, event)
        break
      case 'iceConnectionStateChange':
        this.#print(rtc, `IceConnectionStateChange(${event.state})`)
        // consent is lost, or there never was a way: the page is gone
        if (event.state === 'failed') {
          rtc.close()
          this.#router.changed(rtc)
        }
        break
      case 'connected':
        this.#print(rtc, 'Connected')
        break
      case 'mediaAdded':
        this.#print(
          rtc,
          `MediaAdded { mid: Mid(${event.mid}), kind: ${event.kind}, direction: ${event.direction} }`,
        )
        break
      case 'mediaChanged':
        this.#print(rtc, `MediaChanged { mid: Mid(${event.mid}), direction: ${event.direction} }`)
        break
      case 'telephoneEvent':
        // once a key, when it is let go
        if (event.ended) {
          const key = event.digit ?? event.event
          this.#print(
            rtc,
            `TelephoneEvent { mid: Mid(${event.mid}), key: ${key}, duration: ${Math.round(event.duration)} ms }`,
          )
        }
        break
      case 'channelOpen':
        this.#print(rtc, `ChannelOpen { id: ChannelId(${event.id}), label: ${JSON.stringify(event.label)} }`)
        if (this.#calls.get(rtc)?.echo === false) {
          const greeting = `Hello, peer ${this.#calls.get(rtc)?.number}`
          this.#attempt(rtc, () => rtc.channel(event.id)?.write(greeting))
        }
        break
      case 'channelData':
        this.#print(rtc, channelDataLine(event))
        if (this.#calls.get(rtc)?.echo === true) {
          this.#attempt(rtc, () => this.#calls.get(rtc)?.messages.add(event.id, event.data))
        }
        break
      case 'bufferedAmountLow':
        this.#calls.get(rtc)?.messages.send(event.id)
        break
      case 'channelClose':
        this.#print(rtc, `ChannelClose { id: ChannelId(${event.id}) }`)
        this.#calls.get(rtc)?.messages.drop(event.id)
        break
      case 'resolveMdns':
        void this.#resolve(rtc, event.name)
        break
      case 'keyframeRequest':
        // what is echoed is the browser's own: it makes the keyframe; of what is watched, its sender does
        if (this.#viewers.has(rtc)) this.#askPublisher(rtc)
        else rtc.media(event.mid)?.requestKeyframe(event.kind)
        break
      case 'closed':
        this.#print(rtc, `Closed(${event.reason}${event.detail === undefined ? '' : `: ${event.detail}`})`)
        this.#byId.delete(this.#calls.get(rtc)?.id ?? '')
        this.#calls.delete(rtc)
        this.#viewers.remove(rtc)
        for (const viewer of this.#viewers.of(rtc)) {
          viewer.close()
          this.#router.changed(viewer)
        }
        break
    }
  }

  /** Sends a frame on to one who watches its sender. */
  #show(viewer: Rtc, publisher: Rtc, frame: MediaData): void {
    if (!viewer.connected) return
    // it acts at the time of its latest input, which may be long ago
    viewer.handleInput({ kind: 'timeout', now: performance.now() })
    this.#attempt(viewer, () => this.#viewers.write(viewer, frame))
    this.#router.changed(viewer)
    // asked again until it comes: at most one request in half a second goes out
    const media = publisher.media(frame.mid)
    if (media !== undefined && this.#viewers.waits(viewer, media)) media.requestKeyframe()
  }

  #askPublisher(viewer: Rtc): void {
    const publisher = this.#viewers.publisherOf(viewer)
    const media = this.#viewers.pictureOf(viewer)
    if (publisher === undefined || media === undefined) return
    media.requestKeyframe()
    this.#router.changed(publisher)
  }

  /** The name of a host in the local network, where the system can look it up; else the browser's own checks make it known. */
  async #resolve(rtc: Rtc, name: string): Promise<void> {
    const address = await lookup(name).then(
      (found) => found.address,
      () => undefined,
    )
    rtc.resolveMdns(name, address)
    this.#changed(rtc)
  }

  /**
   * What a peer sends may be more than it takes itself: an audio frame of a path with larger datagrams, a message above its own
   * `max-message-size`. That is no fault of the program's.
   */
  #attempt(rtc: Rtc, send: () => unknown): void {
    try {
      send()
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
      this.#print(rtc, `NotSent(${error.code}: ${error.message})`)
    }
  }

  #print(rtc: Rtc, text: string): void {
    this.#log(`${new Date().toISOString()} INFO peer ${this.#calls.get(rtc)?.number}: ${text}`)
  }
}

/** Sends a frame back on the section that it came on, where the browser takes it. */
function echo(rtc: Rtc, { mid, pt, time, data, keyframe }: MediaData): void {
  const media = rtc.media(mid)
  if (media === undefined || (media.direction !== 'sendrecv' && media.direction !== 'sendonly')) return
  media.writer(pt).write(time, data, { keyframe })
}

/** Characters of a message that are printed. */
const MAX_PRINTED = 200

function channelDataLine({ id, data }: ChannelData): string {
  if (typeof data !== 'string')
    return `ChannelData { id: ChannelId(${id}), binary: true, len: ${data.length} }`
  const text = data.length > MAX_PRINTED ? `${data.slice(0, MAX_PRINTED)}…` : data
  // as JSON, so that a message is one line whatever it holds
  return `ChannelData { id: ChannelId(${id}), binary: false, len: ${Buffer.byteLength(data)}, text: ${JSON.stringify(text)} }`
}

function mediaDataLine({ mid, pt, time, data }: MediaData): string {
  return `MediaData { mid: Mid(${mid}), pt: Pt(${pt}), time: MediaTime(${time.value}, ${time.clockRate}), len: ${data.length} }`
}
