import type { ChannelId, Rtc } from '@str0m/rtc'

/** Bytes that wait to go back on one channel, beyond what the channel itself takes. A peer that sends on without reading loses it. */
const MAX_ECHO_BYTES = 256 << 20
/** Where so much is left in a channel, it gets more. */
const REFILL_AT = 1 << 20

interface Waiting {
  readonly messages: (string | Uint8Array)[]
  /** Of the next message. */
  head: number
  bytes: number
}

/** Sends messages back on their channels, as fast as the peer takes them. */
export class EchoQueue {
  readonly #rtc: Rtc
  readonly #waiting = new Map<ChannelId, Waiting>()

  constructor(rtc: Rtc) {
    this.#rtc = rtc
  }

  /** Takes a message that came in. */
  add(id: ChannelId, message: string | Uint8Array): void {
    const channel = this.#rtc.channel(id)
    if (channel === undefined || channel.state !== 'open') return
    let waiting = this.#waiting.get(id)
    if (waiting === undefined) {
      if (channel.write(message)) return
      channel.bufferedAmountLowThreshold = REFILL_AT
      waiting = { messages: [], head: 0, bytes: 0 }
      this.#waiting.set(id, waiting)
    }
    waiting.messages.push(message)
    waiting.bytes += message.length
    if (waiting.bytes > MAX_ECHO_BYTES) {
      this.drop(id)
      channel.close()
    }
  }

  /** The channel takes more. */
  send(id: ChannelId): void {
    const channel = this.#rtc.channel(id)
    const waiting = this.#waiting.get(id)
    if (waiting === undefined || channel === undefined || channel.state !== 'open') return
    while (waiting.head < waiting.messages.length) {
      const message = waiting.messages[waiting.head]!
      if (!channel.write(message)) return
      waiting.head++
      waiting.bytes -= message.length
    }
    this.#waiting.delete(id)
  }

  /** The channel is gone. */
  drop(id: ChannelId): void {
    this.#waiting.delete(id)
  }
}
