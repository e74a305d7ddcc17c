// A call in a page to a peer that sends back what it gets. All of it runs in the page.
import type { Answer, Offer } from '@str0m/rtc'

interface Prepared {
  readonly peer: RTCPeerConnection
  readonly channel: RTCDataChannel
}

/** What came of a call. */
interface Outcome {
  readonly state: string
  /** What the other side sent. */
  readonly message: string
  /** Of the picture that came back. */
  readonly frames: number
  /** Types of the other side's candidates. */
  readonly remote: readonly string[]
  /** As `RTCTransportStats` has it. */
  readonly tlsVersion: string
}

/** Offers the camera and a data channel. */
export async function makeOffer(): Promise<Offer> {
  const stream = await navigator.mediaDevices.getUserMedia({ video: true })
  const peer = new RTCPeerConnection()
  for (const track of stream.getTracks()) peer.addTrack(track, stream)
  const channel = peer.createDataChannel('messages')
  // a picture is decoded where it is shown
  peer.addEventListener('track', ({ track }) => {
    const video = document.createElement('video')
    video.muted = true
    video.srcObject = new MediaStream([track])
    document.body.append(video)
    void video.play()
  })
  Object.assign(window, { prepared: { peer, channel } })
  await peer.setLocalDescription()
  while (peer.iceGatheringState !== 'complete') {
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
  return { type: 'offer', sdp: peer.localDescription!.sdp }
}

/** Takes the answer, and a message and a second of picture from the other side. `patience`: how long it waits for them, ms. */
export async function call(answer: Answer, patience: number): Promise<Outcome> {
  const { peer, channel } = (window as unknown as { prepared: Prepared }).prepared
  let message = ''
  channel.addEventListener('open', () => channel.send('hello'))
  channel.addEventListener('message', ({ data }: MessageEvent<string>) => (message = data))
  await peer.setRemoteDescription(answer)
  const remote = new Set<string>()
  let tlsVersion = ''
  let frames = 0
  for (const end = performance.now() + patience; performance.now() < end;) {
    if (frames > 30 && message !== '') break
    await new Promise((resolve) => {
      setTimeout(resolve, 100)
    })
    for (const entry of (await peer.getStats()).values() as Iterable<Record<string, unknown>>) {
      if (entry['type'] === 'remote-candidate') remote.add(String(entry['candidateType']))
      if (entry['type'] === 'transport') tlsVersion = String(entry['tlsVersion'])
      if (entry['type'] === 'inbound-rtp') frames = Number(entry['framesDecoded'] ?? 0)
    }
  }
  const state = peer.connectionState
  peer.close()
  return { state, message, frames, remote: [...remote], tlsVersion }
}
