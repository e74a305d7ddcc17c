import { type MediaData, Rtc } from '@str0m/rtc'
import type { Coturn } from '../../../packages/stun-ice/test/coturn.ts'
import { TurnSocket, type Way } from '../../../packages/stun-ice/test/turn-socket.ts'

/** A peer that is reached by a TURN server alone. It sends back the frames and the messages that come. */
export class RelayedPeer {
  readonly rtc: Rtc = new Rtc()
  readonly frames: MediaData[] = []
  readonly relay: TurnSocket
  #timer: NodeJS.Timeout | undefined

  private constructor(relay: TurnSocket) {
    this.relay = relay
  }

  /** With its relayed candidate, which is its only one. `way`: to the server. */
  static async start(server: Coturn, way: Way): Promise<RelayedPeer> {
    const { username, credential: password } = server
    const relay = await TurnSocket.open(way, server, { username, password })
    await relay.until(() => relay.client.state === 'allocated', 'the allocation')
    const [allocated] = relay.events
    const peer = new RelayedPeer(relay)
    if (allocated?.type === 'allocated') peer.rtc.addLocalCandidate(allocated.candidates[0]!)
    relay.onEvent = (event) => {
      if (event.type === 'datagram') peer.do((rtc) => rtc.handleInput(event))
    }
    return peer
  }

  /** Calls methods of the peer, and drives it on. */
  do<T>(what: (rtc: Rtc) => T): T {
    try {
      return what(this.rtc)
    } finally {
      this.#run()
    }
  }

  async close(): Promise<void> {
    this.do((rtc) => rtc.close())
    clearTimeout(this.#timer)
    await this.relay.close()
  }

  #run(): void {
    for (;;) {
      const output = this.rtc.pollOutput()
      if (output.kind === 'transmit') {
        if (!this.relay.client.relay(output)) throw new Error('it sends from elsewhere')
      } else if (output.kind === 'timeout') {
        this.relay.run()
        return this.#wakeAt(output.at)
      } else if (output.event.type === 'resolveMdns') {
        // without an address there is nothing to ask a permission for; the browser is on this machine
        this.rtc.resolveMdns(output.event.name, this.relay.client.base.address)
      } else if (output.event.type === 'mediaData') {
        const { mid, pt, time, data, keyframe } = output.event
        this.frames.push(output.event)
        this.rtc.media(mid)!.writer(pt).write(time, data, { keyframe })
      } else if (output.event.type === 'channelData') {
        this.rtc.channel(output.event.id)!.write(output.event.data)
      }
    }
  }

  #wakeAt(at: number): void {
    clearTimeout(this.#timer)
    if (at === Infinity) return
    const wake = (): void => this.do((rtc) => rtc.handleInput({ kind: 'timeout', now: performance.now() }))
    // Node's timers cut off fractions: rounded down, each would come twice
    this.#timer = setTimeout(wake, Math.ceil(Math.max(0, at - performance.now())))
  }
}
