import { type DataChannel, PeerConnection, type Track, Video } from 'node-datachannel'
import { HEADER_LENGTH, makePacket, setSequenceNumber } from './packets.ts'
import { type Flow, HIGH_WATER, LOW_WATER, type OpenOptions, type Peer, type Stack } from './stack.ts'

const SSRC = 0x5712_0004
const PAYLOAD_TYPE = 96

/** node-datachannel (libdatachannel) on loopback alone: with a data channel, or with a track where packets flow. */
export const nodeDataChannel: Stack = {
  open: async ({ purpose, onReceived }: OpenOptions): Promise<Peer> => {
    const connection = new PeerConnection('bench', { iceServers: [], bindAddress: '127.0.0.1' })
    const connected = new Promise<void>((resolve, reject) => {
      connection.onStateChange((state) => {
        if (state === 'connected') resolve()
        else if (state === 'failed' || state === 'closed') reject(new Error(`connection ${state}`))
      })
    })
    connected.catch(() => {})
    const gathered = new Promise<void>((resolve) => {
      connection.onGatheringStateChange((state) => {
        if (state === 'complete') resolve()
      })
    })
    const localSdp = async (): Promise<string> => {
      await gathered
      const sdp = connection.localDescription()?.sdp
      if (sdp === undefined) throw new Error('node-datachannel has no description')
      return sdp
    }
    let flow: Promise<Flow> = Promise.reject(new Error('This side does not send'))
    flow.catch(() => {})
    // what is not held would be collected
    const held: (DataChannel | Track)[] = []
    connection.onDataChannel((channel) => {
      held.push(channel)
      channel.onMessage((message) =>
        onReceived?.(typeof message === 'string' ? message.length : message.byteLength),
      )
    })
    connection.onTrack((track) => {
      held.push(track)
      track.onMessage((packet) => onReceived?.(packet.length - HEADER_LENGTH))
    })
    return {
      connected,
      flow: () => flow,
      createOffer: () => {
        if (purpose === 'packets') {
          const video = new Video('0', 'SendOnly')
          video.addVP8Codec(PAYLOAD_TYPE)
          video.addSSRC(SSRC, 'bench')
          const track = connection.addTrack(video)
          held.push(track)
          flow = packets(track)
          connection.setLocalDescription()
        } else {
          const channel = connection.createDataChannel('bench')
          held.push(channel)
          flow = messages(channel)
        }
        return localSdp()
      },
      acceptOffer: (sdp) => {
        connection.setRemoteDescription(sdp, 'offer')
        return localSdp()
      },
      acceptAnswer: async (sdp) => connection.setRemoteDescription(sdp, 'answer'),
      close: async () => connection.close(),
    }
  },
}

function messages(channel: DataChannel): Promise<Flow> {
  let writable: (() => void) | undefined
  channel.setBufferedAmountLowThreshold(LOW_WATER)
  channel.onBufferedAmountLow(() => {
    const callback = writable
    writable = undefined
    callback?.()
  })
  const flow: Flow = {
    send: (message) => {
      if (channel.bufferedAmount() >= HIGH_WATER) return false
      // its answer says whether it went out at once; it is taken in either case
      channel.sendMessageBinary(message)
      return true
    },
    flush: () => {},
    onceWritable: (callback) => {
      // its threads may have sent all of it already
      if (channel.bufferedAmount() <= LOW_WATER) setImmediate(callback)
      else writable = callback
    },
  }
  return new Promise((resolve) => channel.onOpen(() => resolve(flow)))
}

function packets(track: Track): Promise<Flow> {
  let sequenceNumber = 0
  const flow: Flow = {
    send: (payload) => {
      const packet = makePacket(SSRC, 0)
      setSequenceNumber(packet, sequenceNumber++ & 0xffff)
      packet.set(payload, HEADER_LENGTH)
      return track.sendMessageBinary(Buffer.from(packet.buffer))
    },
    flush: () => {},
    onceWritable: () => {},
  }
  return new Promise((resolve) => track.onOpen(() => resolve(flow)))
}
