import { PeerConnection } from 'node-datachannel'
import type { Peer, Stack } from './stack.ts'

/** node-datachannel (libdatachannel) with a data channel, on loopback alone. */
export const nodeDataChannel: Stack = {
  open: async (): Promise<Peer> => {
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
    return {
      connected,
      createOffer: () => {
        connection.createDataChannel('bench')
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
