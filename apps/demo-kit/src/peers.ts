import type { RemoteInfo, Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { Candidate, type Rtc, type RtcEvent, RtcRouter } from '@str0m/rtc'
import { destinationFor } from './addresses.ts'

/** The run loop of many peers on one socket: what `http-post` writes out in its `calls.ts`, for demos that are about something else. */
export class Peers {
  readonly #socket: Socket
  readonly #addresses: readonly string[]
  readonly #port: number
  readonly #mapped: boolean
  readonly #onEvent: (rtc: Rtc, event: RtcEvent) => void
  readonly #router = new RtcRouter()
  #timer: NodeJS.Timeout | undefined
  #running = false

  /** `addresses`: those that browsers are told. A peer whose way is lost is closed. */
  constructor(socket: Socket, addresses: readonly string[], onEvent: (rtc: Rtc, event: RtcEvent) => void) {
    this.#socket = socket
    this.#addresses = addresses
    this.#port = socket.address().port
    this.#mapped = socket.address().family === 'IPv6'
    this.#onEvent = onEvent
    socket.on('message', (contents, from) => this.#receive(contents, from))
    // an address that cannot be reached is ICE's matter: it tries others
    socket.on('error', (error) => console.error(`UDP: ${error.message}`))
  }

  /** Gives a peer its addresses: to be called before it makes a description. */
  addCandidates(rtc: Rtc): void {
    for (const address of this.#addresses) {
      rtc.addLocalCandidate(Candidate.host({ address, port: this.#port }, 'udp'))
    }
  }

  /** Drives a peer from now on, until it is closed. */
  add(rtc: Rtc): void {
    this.#router.add(rtc)
    this.run()
  }

  /** Gives a peer the time: to be called before its methods, where a timer of one's own calls them. */
  tell(rtc: Rtc): void {
    rtc.handleInput({ kind: 'timeout', now: performance.now() })
  }

  /** To be called after methods of a peer, unless it is within an event. */
  changed(rtc: Rtc): void {
    this.#router.changed(rtc)
    this.run()
  }

  /** Says goodbye to all. */
  close(): void {
    for (const rtc of this.#router.peers) {
      rtc.close()
      this.#router.changed(rtc)
    }
    this.run()
    clearTimeout(this.#timer)
  }

  /** Polls until nothing is left to do, then sleeps until the next thing is. */
  run(): void {
    if (this.#running) return
    this.#running = true
    for (;;) {
      const output = this.#router.pollOutput()
      if (output.kind === 'transmit') {
        const { address, port } = output.destination
        const target = this.#mapped && !address.includes(':') ? `::ffff:${address}` : address
        this.#socket.send(output.contents, port, target)
      } else if (output.kind === 'event') {
        this.#handleEvent(output.rtc, output.event)
      } else {
        this.#running = false
        this.#wakeAt(output.at)
        return
      }
    }
  }

  #wakeAt(at: number): void {
    clearTimeout(this.#timer)
    if (at === Infinity) return
    // Node's timers cut off fractions: rounded down, each would come twice
    const delay = Math.ceil(Math.max(0, at - performance.now()))
    this.#timer = setTimeout(() => {
      this.#router.handleInput({ kind: 'timeout', now: performance.now() })
      this.run()
    }, delay)
  }

  #receive(contents: Uint8Array, from: RemoteInfo): void {
    const source = { address: from.address.replace(/^::ffff:/, ''), port: from.port }
    const address = destinationFor(source.address, this.#addresses)
    if (address === undefined) return
    const destination = { address, port: this.#port }
    this.#router.handleInput({
      kind: 'receive',
      now: performance.now(),
      proto: 'udp',
      source,
      destination,
      contents,
    })
    this.run()
  }

  #handleEvent(rtc: Rtc, event: RtcEvent): void {
    if (event.type === 'resolveMdns') {
      void this.#resolve(rtc, event.name)
      return
    }
    if (event.type === 'iceConnectionStateChange' && event.state === 'failed') {
      rtc.close()
      this.#router.changed(rtc)
    }
    this.#onEvent(rtc, event)
  }

  async #resolve(rtc: Rtc, name: string): Promise<void> {
    const address = await lookup(name).then(
      (found) => found.address,
      () => undefined,
    )
    rtc.resolveMdns(name, address)
    this.changed(rtc)
  }
}
