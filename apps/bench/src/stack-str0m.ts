import {
  Candidate,
  type ChannelId,
  type Media,
  type PacketForwarder,
  Rtc,
  type RtcEvent,
  type RtpPacket,
} from '@str0m/rtc'
import { MTU } from './packets.ts'
import {
  type Flow,
  HIGH_WATER,
  LOW_WATER,
  type OpenOptions,
  type Peer,
  type Purpose,
  type Stack,
} from './stack.ts'
import { Station } from './station.ts'

/** A socket for each peer, as a browser has it. */
export function socketEach(): Stack {
  return {
    open: async (options) => {
      const station = await Station.bind()
      return new Str0mPeer(station, options, () => station.close())
    },
    forward,
  }
}

/** One socket for all peers, as a server has it. */
export function sharedSocket(): Stack {
  const station = Station.bind()
  return { open: async (options) => new Str0mPeer(await station, options, () => {}), forward }
}

function isOfPackets(purpose: Purpose): boolean {
  return purpose === 'packets' || purpose === 'subscription'
}

/** A peer that offers, or answers with, a channel or one video section, in RTP mode where packets flow. */
class Str0mPeer implements Peer {
  readonly rtc: Rtc
  readonly station: Station
  readonly connected: Promise<void>
  /** Set where packets are forwarded. */
  onPacket: ((packet: RtpPacket) => void) | undefined
  readonly #purpose: Purpose
  readonly #onReceived: (length: number) => void
  readonly #onClose: () => void
  readonly #channel: Promise<ChannelId>
  #channelOpen: (id: ChannelId) => void = () => {}
  #writable: (() => void) | undefined

  constructor(station: Station, { purpose, onReceived }: OpenOptions, onClose: () => void) {
    this.rtc = new Rtc(isOfPackets(purpose) ? { rtpMode: true, mtu: MTU } : {})
    this.rtc.addLocalCandidate(Candidate.host(station.address))
    this.station = station
    this.#purpose = purpose
    this.#onReceived = onReceived ?? (() => {})
    this.#onClose = onClose
    this.#channel = new Promise((resolve) => {
      this.#channelOpen = resolve
    })
    this.connected = new Promise<void>((resolve, reject) => {
      let connected = false
      station.add(this.rtc, (event) => {
        if (event.type === 'connected') {
          connected = true
          resolve()
        } else if (event.type !== 'closed') {
          this.#handleEvent(event)
        } else if (!connected) {
          reject(new Error(`closed: ${event.reason} ${event.detail ?? ''}`))
        }
      })
    })
    // it may be closed before anybody waits for it
    this.connected.catch(() => {})
  }

  get media(): Media {
    const [media] = this.rtc.medias
    if (media === undefined) throw new Error('There is no media section')
    return media
  }

  async createOffer(): Promise<string> {
    const change = this.rtc.createOffer()
    if (this.#purpose === 'data') change.addChannel('bench')
    else if (this.#purpose === 'subscription') change.addMedia('video', 'recvonly')
    else change.addMedia('video')
    const { sdp } = change.apply()
    this.station.changed(this.rtc)
    return sdp
  }

  async acceptOffer(sdp: string): Promise<string> {
    const answer = this.rtc.acceptOffer({ type: 'offer', sdp })
    this.station.changed(this.rtc)
    return answer.sdp
  }

  async acceptAnswer(sdp: string): Promise<void> {
    this.rtc.pendingChanges()?.acceptAnswer({ type: 'answer', sdp })
    this.station.changed(this.rtc)
  }

  async close(): Promise<void> {
    this.rtc.close()
    this.station.changed(this.rtc)
    this.#onClose()
  }

  async flow(): Promise<Flow> {
    await this.connected
    return this.#purpose === 'data' ? this.#messages(await this.#channel) : this.#packets()
  }

  #messages(id: ChannelId): Flow {
    const channel = this.rtc.channel(id)
    if (channel === undefined) throw new Error('The channel is closed')
    channel.bufferedAmountLowThreshold = LOW_WATER
    return {
      send: (message) => channel.bufferedAmount < HIGH_WATER && channel.write(message),
      flush: () => this.station.changed(this.rtc),
      onceWritable: (callback) => {
        this.#writable = callback
      },
    }
  }

  #packets(): Flow {
    const writer = this.media.rtpWriter()
    const { pt } = this.media.codecs[0]!
    let sequenceNumber = 0
    let timestamp = 0
    return {
      send: (payload) => {
        sequenceNumber = (sequenceNumber + 1) & 0xffff
        return writer.write({ pt, sequenceNumber, timestamp, marker: true }, payload)
      },
      flush: () => {
        timestamp = (timestamp + 90) >>> 0
        this.station.advance(this.rtc)
        this.station.changed(this.rtc)
      },
      onceWritable: () => {},
    }
  }

  #handleEvent(event: RtcEvent): void {
    switch (event.type) {
      case 'channelOpen':
        this.#channelOpen(event.id)
        break
      case 'channelData':
        this.#onReceived(event.data.length)
        break
      case 'bufferedAmountLow': {
        const writable = this.#writable
        this.#writable = undefined
        writable?.()
        break
      }
      case 'rtpPacket':
        this.#onReceived(event.header.payloadLength)
        this.onPacket?.(event)
        break
      default:
        break
    }
  }
}

function forward(publisher: Peer, subscribers: readonly Peer[]): void {
  if (!(publisher instanceof Str0mPeer)) throw new Error('A peer of another stack')
  const ways: { peer: Str0mPeer; forwarder: PacketForwarder }[] = []
  for (const peer of subscribers) {
    if (!(peer instanceof Str0mPeer)) throw new Error('A peer of another stack')
    ways.push({ peer, forwarder: peer.media.forwarder(peer.media.codecs[0]!.pt) })
  }
  publisher.onPacket = (packet) => {
    for (const { peer, forwarder } of ways) {
      if (forwarder.selected !== packet.ssrc) forwarder.select(packet.ssrc)
      // what is sent is sent at the peer's latest time
      peer.station.advance(peer.rtc, packet.receivedAt)
      forwarder.forward(packet)
    }
  }
}
