import { createSocket, type Socket } from 'node:dgram'
import { candidateAddresses } from '@str0m/demo-kit'
import { type Answer, Candidate, type MediaData, type Offer, Rtc, type RtcEvent } from '@str0m/rtc'
import type { ForeignPeer } from './foreign-peers.ts'

/** One `Rtc` on a socket of its own, which offers. */
export class OfferingPeer {
  readonly rtc: Rtc = new Rtc()
  /** The messages that came, with the labels of their channels. */
  readonly received: { label: string; data: string | Uint8Array }[] = []
  readonly frames: MediaData[] = []
  readonly #socket: Socket
  readonly #address: string
  readonly #length: number
  #timer: NodeJS.Timeout | undefined

  private constructor(socket: Socket, address: string, length: number) {
    this.#length = length
    this.#socket = socket
    this.#address = address
    const { port } = socket.address()
    this.rtc.addLocalCandidate(Candidate.host({ address, port }, 'udp'))
    socket.on('message', (contents, { address: from, port: fromPort }) => {
      this.rtc.handleInput({
        kind: 'receive',
        now: performance.now(),
        proto: 'udp',
        source: { address: from, port: fromPort },
        destination: { address: this.#address, port },
        contents,
      })
      this.#run()
    })
  }

  /** `length`: bytes of the message that it sends. */
  static async start(length = 100_000): Promise<OfferingPeer> {
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => {
      socket.bind(0, resolve)
    })
    const address = candidateAddresses([], socket).find((candidate) => candidate !== '127.0.0.1')
    if (address === undefined) throw new Error('This machine has no address but loopback: Firefox needs one')
    return new OfferingPeer(socket, address, length)
  }

  /** An offer of one channel, and of sections that receive. */
  offer(label: string, media: readonly ('audio' | 'video')[] = []): Offer {
    const change = this.rtc.createOffer()
    for (const kind of media) change.addMedia(kind, 'recvonly')
    change.addChannel(label)
    return change.apply()
  }

  /** Offers to a process that reads the offer from its input and prints its answer. */
  async call(peer: ForeignPeer, media: readonly ('audio' | 'video')[]): Promise<void> {
    peer.tell(this.offer('ours', media))
    await peer.until(() => peer.find('answer') !== undefined, 'its answer')
    this.accept({ type: 'answer', sdp: String(peer.find('answer')!['sdp']) })
  }

  framesOf(mid: string): MediaData[] {
    return this.frames.filter((frame) => frame.mid === mid)
  }

  accept(answer: Answer): void {
    this.rtc.pendingChanges()!.acceptAnswer(answer)
    this.#run()
  }

  close(): void {
    this.rtc.close()
    this.#run()
    clearTimeout(this.#timer)
    this.#socket.close()
  }

  #run(): void {
    for (;;) {
      const output = this.rtc.pollOutput()
      if (output.kind === 'transmit') {
        this.#socket.send(output.contents, output.destination.port, output.destination.address)
      } else if (output.kind === 'event') {
        this.#handle(output.event)
      } else {
        this.#wakeAt(output.at)
        return
      }
    }
  }

  #wakeAt(at: number): void {
    clearTimeout(this.#timer)
    if (at === Infinity) return
    this.#timer = setTimeout(
      () => {
        this.rtc.handleInput({ kind: 'timeout', now: performance.now() })
        this.#run()
      },
      // Node's timers cut off fractions: rounded down, each would come twice
      Math.ceil(Math.max(0, at - performance.now())),
    )
  }

  #handle(event: RtcEvent): void {
    if (event.type === 'mediaData') {
      this.frames.push(event)
    } else if (event.type === 'channelOpen' && event.label === 'ours') {
      this.rtc.channel(event.id)?.write('to the browser')
      this.rtc.channel(event.id)?.write(new Uint8Array(this.#length).fill(3))
    } else if (event.type === 'channelData') {
      this.received.push({ label: this.rtc.channel(event.id)?.label ?? '', data: event.data })
    }
  }
}
