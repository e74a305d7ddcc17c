import { RTCPeerConnection } from 'werift'
import type { Peer, Stack } from './stack.ts'

/** werift with a data channel, and loopback alone as far as it lets itself be told. */
export const werift: Stack = {
  open: async (): Promise<Peer> => {
    const connection = new RTCPeerConnection({
      iceServers: [],
      iceUseIpv6: false,
      iceInterfaceAddresses: { udp4: '127.0.0.1' },
      iceAdditionalHostAddresses: ['127.0.0.1'],
    })
    const connected = new Promise<void>((resolve, reject) => {
      connection.connectionStateChange.subscribe((state) => {
        if (state === 'connected') resolve()
        else if (state === 'failed' || state === 'closed') reject(new Error(`connection ${state}`))
      })
    })
    connected.catch(() => {})
    const localSdp = (): string => {
      const sdp = connection.localDescription?.sdp
      if (sdp === undefined) throw new Error('werift has no description')
      return sdp
    }
    return {
      connected,
      createOffer: async () => {
        connection.createDataChannel('bench')
        await connection.setLocalDescription(await connection.createOffer())
        return localSdp()
      },
      acceptOffer: async (sdp) => {
        await connection.setRemoteDescription({ type: 'offer', sdp })
        await connection.setLocalDescription(await connection.createAnswer())
        return localSdp()
      },
      acceptAnswer: (sdp) => connection.setRemoteDescription({ type: 'answer', sdp }),
      close: () => connection.close(),
    }
  },
}
