import type { Socket } from 'node:dgram'
import { bindUdp, candidateAddresses, Peers } from '@str0m/demo-kit'
import { type Answer, type MediaData, type Offer, Rtc, type RtcEvent } from '@str0m/rtc'
import { demandNoneDropped } from './dropped.ts'
import type { ForeignPeer } from './foreign-peers.ts'

/** One `Rtc` on a socket of its own, which offers. */
export class OfferingPeer {
  readonly rtc: Rtc = new Rtc()
  /** The messages that came, with the labels of their channels. */
  readonly received: { label: string; data: string | Uint8Array }[] = []
  readonly frames: MediaData[] = []
  readonly #socket: Socket
  readonly #peers: Peers
  readonly #length: number

  private constructor(socket: Socket, address: string, length: number) {
    this.#length = length
    this.#socket = socket
    this.#peers = new Peers(socket, [address], (_, event) => this.#handle(event))
    this.#peers.addCandidates(this.rtc)
    this.#peers.add(this.rtc)
  }

  /** `length`: bytes of the message that it sends. */
  static async start(length = 100_000): Promise<OfferingPeer> {
    const socket = await bindUdp(0)
    const address = candidateAddresses([], socket).find((candidate) => isIpv4(candidate))
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
    this.#peers.tell(this.rtc)
    this.rtc.pendingChanges()!.acceptAnswer(answer)
    this.#peers.changed(this.rtc)
  }

  /** Ends its call. Throws an `Error` where it had to drop anything of the other's. */
  close(): void {
    this.#peers.close()
    this.#socket.close()
    demandNoneDropped(this.rtc)
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

/** One that others than this machine reach. */
function isIpv4(address: string): boolean {
  return address !== '127.0.0.1' && !address.includes(':')
}
