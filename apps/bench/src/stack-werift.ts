import { MediaStreamTrack, type RTCDataChannel, RTCPeerConnection, RtpHeader, RtpPacket } from 'werift'
import type { Flow, OpenOptions, Peer, Stack } from './stack.ts'

const SSRC = 0x5712_0005
const PAYLOAD_TYPE = 96
/** Its queue costs the square of its length: less waits in it than with others. */
const HIGH_WATER = 64 * 1024
const LOW_WATER = 16 * 1024

/** werift with a data channel or a track, and loopback alone as far as it lets itself be told. */
export const werift: Stack = {
  open: async (options: OpenOptions): Promise<Peer> => new WeriftPeer(options),
  forward: (publisher, subscribers) => {
    if (!(publisher instanceof WeriftPeer)) throw new Error('A peer of another stack')
    const tracks = subscribers.map((peer) => {
      if (!(peer instanceof WeriftPeer)) throw new Error('A peer of another stack')
      return peer.track
    })
    // each way out changes the header: it gets one of its own
    publisher.onPacket = ({ header, payload }) => {
      for (const track of tracks) track.writeRtp(new RtpPacket(new RtpHeader(header), payload))
    }
  },
}

class WeriftPeer implements Peer {
  readonly connected: Promise<void>
  onPacket: ((packet: RtpPacket) => void) | undefined
  /** What it sends, where it sends packets. */
  readonly track = new MediaStreamTrack({ kind: 'video' })
  readonly #connection: RTCPeerConnection
  readonly #options: OpenOptions
  #flow: Promise<Flow> = Promise.reject(new Error('This side does not send'))

  constructor(options: OpenOptions) {
    this.#flow.catch(() => {})
    this.#options = options
    const connection = new RTCPeerConnection({
      iceServers: [],
      iceUseIpv6: false,
      iceInterfaceAddresses: { udp4: '127.0.0.1' },
      iceAdditionalHostAddresses: ['127.0.0.1'],
    })
    this.#connection = connection
    this.connected = new Promise<void>((resolve, reject) => {
      connection.connectionStateChange.subscribe((state) => {
        if (state === 'connected') resolve()
        else if (state === 'failed' || state === 'closed') reject(new Error(`connection ${state}`))
      })
    })
    this.connected.catch(() => {})
    connection.onDataChannel.subscribe((channel) => {
      channel.onMessage.subscribe((message) => options.onReceived?.(message.length))
    })
    connection.onTrack.subscribe((track) => {
      track.onReceiveRtp.subscribe((packet) => {
        options.onReceived?.(packet.payload.length)
        this.onPacket?.(packet)
      })
    })
  }

  async createOffer(): Promise<string> {
    const { purpose } = this.#options
    if (purpose === 'packets') {
      this.#connection.addTransceiver(this.track, { direction: 'sendonly' })
      this.#flow = this.connected.then(() => packets(this.track))
    } else if (purpose === 'subscription') {
      this.#connection.addTransceiver('video', { direction: 'recvonly' })
    } else {
      this.#flow = messages(this.#connection.createDataChannel('bench'))
    }
    await this.#connection.setLocalDescription(await this.#connection.createOffer())
    return this.#localSdp()
  }

  async acceptOffer(sdp: string): Promise<string> {
    if (this.#options.purpose === 'subscription') {
      this.#connection.addTransceiver(this.track, { direction: 'sendonly' })
    }
    await this.#connection.setRemoteDescription({ type: 'offer', sdp })
    await this.#connection.setLocalDescription(await this.#connection.createAnswer())
    return this.#localSdp()
  }

  acceptAnswer(sdp: string): Promise<void> {
    return this.#connection.setRemoteDescription({ type: 'answer', sdp })
  }

  flow(): Promise<Flow> {
    return this.#flow
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  #localSdp(): string {
    const sdp = this.#connection.localDescription?.sdp
    if (sdp === undefined) throw new Error('werift has no description')
    return sdp
  }
}

function messages(channel: RTCDataChannel): Promise<Flow> {
  let writable: (() => void) | undefined
  channel.bufferedAmountLowThreshold = LOW_WATER
  channel.bufferedAmountLow.subscribe(() => {
    const callback = writable
    writable = undefined
    callback?.()
  })
  const flow: Flow = {
    send: (message) => {
      if (channel.bufferedAmount >= HIGH_WATER) return false
      channel.send(Buffer.from(message.buffer))
      return true
    },
    flush: () => {},
    onceWritable: (callback) => {
      if (channel.bufferedAmount <= LOW_WATER) setImmediate(callback)
      else writable = callback
    },
  }
  return new Promise((resolve) => {
    channel.stateChanged.subscribe((state) => {
      if (state === 'open') resolve(flow)
    })
  })
}

function packets(track: MediaStreamTrack): Flow {
  let sequenceNumber = 0
  let timestamp = 0
  return {
    send: (payload) => {
      sequenceNumber = (sequenceNumber + 1) & 0xffff
      const header = new RtpHeader({
        payloadType: PAYLOAD_TYPE,
        ssrc: SSRC,
        sequenceNumber,
        timestamp,
        marker: true,
      })
      track.writeRtp(new RtpPacket(header, Buffer.from(payload.buffer)))
      return true
    },
    flush: () => {
      timestamp = (timestamp + 90) >>> 0
    },
    onceWritable: () => {},
  }
}
