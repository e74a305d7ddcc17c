import { createSocket, type Socket } from 'node:dgram'
import { type Rtc, type RtcEvent, RtcRouter } from '@str0m/rtc'
import type { SocketAddress } from '@str0m/sans-io'

/** What the system is asked to keep for us while we are busy. */
const RECEIVE_BUFFER = 4 * 1024 * 1024

/** A UDP socket on loopback with its peers: the run loop. */
export class Station {
  readonly address: SocketAddress
  readonly #socket: Socket
  readonly #router = new RtcRouter()
  readonly #listeners = new Map<Rtc, (event: RtcEvent) => void>()
  #runsSoon = false
  #timer: NodeJS.Timeout | undefined
  #wakesAt = Number.POSITIVE_INFINITY

  private constructor(socket: Socket) {
    this.#socket = socket
    this.address = { address: '127.0.0.1', port: socket.address().port }
    socket.on('message', (contents, { address, port }) => {
      this.#router.handleInput({
        kind: 'receive',
        now: performance.now(),
        proto: 'udp',
        source: { address, port },
        destination: this.address,
        contents,
      })
      // RFC 7983 section 7: a DTLS record
      const [first = 0] = contents
      if (first >= 20 && first <= 63) this.#runSoon()
      else this.#run()
    })
  }

  static bind(): Promise<Station> {
    return new Promise((resolve, reject) => {
      const socket = createSocket({
        type: 'udp4',
        lookup: (address, _, callback) => callback(null, address, 4),
      })
      socket.once('error', reject)
      socket.bind(0, '127.0.0.1', () => {
        socket.setRecvBufferSize(RECEIVE_BUFFER)
        resolve(new Station(socket))
      })
    })
  }

  add(rtc: Rtc, listener: (event: RtcEvent) => void): void {
    this.#listeners.set(rtc, listener)
    this.#router.add(rtc)
    this.#run()
  }

  changed(rtc: Rtc): void {
    this.#router.changed(rtc)
    this.#run()
  }

  /** Gives a peer the time, for what is called next. It is polled in the run loop: from an event that is so, else call `changed`. */
  advance(rtc: Rtc, now: number = performance.now()): void {
    rtc.handleInput({ kind: 'timeout', now })
    this.#router.changed(rtc)
  }

  close(): void {
    clearTimeout(this.#timer)
    // what was given to it for sending is sent first
    this.#socket.close()
  }

  /** Records that are there at once are all taken before the peers are asked what to do: a data channel acknowledges them together. */
  #runSoon(): void {
    if (this.#runsSoon) return
    this.#runsSoon = true
    setImmediate(() => {
      this.#runsSoon = false
      this.#run()
    })
  }

  #run(): void {
    for (;;) {
      const output = this.#router.pollOutput()
      if (output.kind === 'transmit') {
        this.#socket.send(output.contents, output.destination.port, output.destination.address)
      } else if (output.kind === 'event') {
        this.#listeners.get(output.rtc)?.(output.event)
        if (output.event.type === 'closed') this.#listeners.delete(output.rtc)
      } else {
        this.#wakeAt(output.at)
        return
      }
    }
  }

  #wakeAt(at: number): void {
    // a timer that fires too early finds nothing to do: cheaper than a new one for each datagram
    if (at >= this.#wakesAt) return
    clearTimeout(this.#timer)
    this.#wakesAt = at
    this.#timer = setTimeout(
      () => {
        this.#wakesAt = Number.POSITIVE_INFINITY
        this.#router.handleInput({ kind: 'timeout', now: performance.now() })
        this.#run()
      },
      // Node cuts off fractions: the timer would find nothing to do, and be set again for what is left of a ms
      Math.max(0, Math.ceil(at - performance.now())),
    )
  }
}
