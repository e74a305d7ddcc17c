/** What a page is described by, as JSON has it. */
interface Description {
  readonly type: RTCSdpType
  readonly sdp: string
}

/** What functions that run in a page of `openPage` find as `window.kit`: they can call nothing that lies around them. */
export interface PageKit {
  sleep(milliseconds: number): Promise<void>
  /** Makes the offer, or the answer, and waits until all candidates are in it. */
  describe(peer: RTCPeerConnection): Promise<Description>
  /** Posts an offer. Answers what came back, and where the call can be ended. */
  post(path: string, offer: Description): Promise<{ readonly answer: Description; readonly resource: string }>
  /** Offers, and takes the answer. Answers where the call can be ended. */
  call(peer: RTCPeerConnection, path: string): Promise<string>
  /** Ends a call: there, here, and what is captured for it. */
  hangUp(resource: string, peer: RTCPeerConnection): Promise<void>
  /** Plays what comes, without a sound: a picture is decoded where it is shown. */
  play(track: MediaStreamTrack): void
  opened(channel: RTCDataChannel): Promise<void>
  /** The entries of one type. */
  statistics(
    source: RTCPeerConnection | RTCRtpReceiver | undefined,
    type: string,
  ): Promise<Readonly<Record<string, unknown>>[]>
}

declare global {
  interface Window {
    kit: PageKit
    /** The one that was made last. */
    connection?: RTCPeerConnection
    /** The sizes in which the page has sent its picture, where `watchSizes` was asked for. */
    sizes: string[]
  }
}

/** Runs in the page, before anything of its own. */
export function installKit(watchSizes: boolean): void {
  const kit: PageKit = {
    sleep: (milliseconds) =>
      new Promise((resolve) => {
        setTimeout(resolve, milliseconds)
      }),
    describe: async (peer) => {
      await peer.setLocalDescription()
      while (peer.iceGatheringState !== 'complete') await kit.sleep(20)
      const { type, sdp } = peer.localDescription!
      return { type, sdp }
    },
    post: async (path, offer) => {
      const response = await fetch(path, { method: 'POST', body: JSON.stringify(offer) })
      const resource = response.headers.get('Location') ?? ''
      return { answer: (await response.json()) as Description, resource }
    },
    call: async (peer, path) => {
      const { answer, resource } = await kit.post(path, await kit.describe(peer))
      await peer.setRemoteDescription(answer)
      return resource
    },
    hangUp: async (resource, peer) => {
      await fetch(resource, { method: 'DELETE' })
      const senders = peer.getSenders()
      peer.close()
      for (const { track } of senders) track?.stop()
    },
    play: (track) => {
      const element = document.createElement(track.kind === 'audio' ? 'audio' : 'video')
      element.muted = true
      element.srcObject = new MediaStream([track])
      document.body.append(element)
      void element.play()
    },
    opened: (channel) =>
      new Promise((resolve) => {
        channel.addEventListener('open', () => resolve())
      }),
    statistics: async (source, type) => {
      const report = (await source?.getStats()) as Map<string, Readonly<Record<string, unknown>>> | undefined
      return [...(report?.values() ?? [])].filter((entry) => entry['type'] === type)
    },
  }
  const Original = RTCPeerConnection
  window.RTCPeerConnection = class extends Original {
    constructor(...args: ConstructorParameters<typeof Original>) {
      super(...args)
      window.connection = this
      window.sizes = []
      if (!watchSizes) return
      // a browser sends a smaller picture where it thinks the way is narrow: it says itself which
      const { sizes } = window
      setInterval(() => {
        void kit.statistics(this, 'outbound-rtp').then((entries) => {
          for (const { frameWidth, frameHeight } of entries) {
            const size = `${Number(frameWidth)}x${Number(frameHeight)}`
            if (frameWidth !== undefined && !sizes.includes(size)) sizes.push(size)
          }
        })
      }, 100)
    }
  }
  window.kit = kit
}
