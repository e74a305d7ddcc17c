import { Candidate, Rtc } from '@str0m/rtc'
import type { Peer, Stack } from './stack.ts'
import { Station } from './station.ts'

/** A socket for each peer, as a browser has it. */
export function socketEach(): Stack {
  return {
    open: async () => {
      const station = await Station.bind()
      return openPeer(station, () => station.close())
    },
  }
}

/** One socket for all peers, as a server has it. */
export function sharedSocket(): Stack {
  const station = Station.bind()
  return { open: async () => openPeer(await station, () => {}) }
}

/** A peer that offers, or answers with, one video section. */
function openPeer(station: Station, onClose: () => void): Peer {
  const rtc = new Rtc()
  rtc.addLocalCandidate(Candidate.host(station.address))
  const connected = new Promise<void>((resolve, reject) => {
    station.add(rtc, (event) => {
      if (event.type === 'connected') resolve()
      else if (event.type === 'closed') reject(new Error(`closed: ${event.reason} ${event.detail ?? ''}`))
    })
  })
  // that it is closed in the end is no failure
  connected.catch(() => {})
  return {
    connected,
    createOffer: async () => {
      const change = rtc.createOffer()
      change.addMedia('video')
      const { sdp } = change.apply()
      station.changed(rtc)
      return sdp
    },
    acceptOffer: async (sdp) => {
      const answer = rtc.acceptOffer({ type: 'offer', sdp })
      station.changed(rtc)
      return answer.sdp
    },
    acceptAnswer: async (sdp) => {
      rtc.pendingChanges()?.acceptAnswer({ type: 'answer', sdp })
      station.changed(rtc)
    },
    close: async () => {
      rtc.close()
      station.changed(rtc)
      onClose()
    },
  }
}
