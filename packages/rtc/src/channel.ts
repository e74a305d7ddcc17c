import type { ChannelParameters } from '@str0m/sctp'

/** What names a data channel within its `Rtc`: 0 and up, never used twice. */
export type ChannelId = number

/** W3C `RTCDataChannelState`. */
export type ChannelState = 'connecting' | 'open' | 'closing' | 'closed'

/** A data channel, RFC 8831. Made by `Rtc`; it stays with its peer's `channel(id)` until it is closed. */
export class Channel {
  readonly id: ChannelId
  /** The label, the protocol, and how messages are treated. */
  readonly parameters: ChannelParameters
  readonly #owner: ChannelOwner

  constructor(id: ChannelId, parameters: ChannelParameters, owner: ChannelOwner) {
    this.id = id
    this.parameters = parameters
    this.#owner = owner
  }

  get label(): string {
    return this.parameters.label
  }

  get state(): ChannelState {
    return this.#owner.stateOf(this.id)
  }

  /** The SCTP stream that carries it, W3C `RTCDataChannel.id`; `undefined` before the peers have agreed on who numbers how. */
  get streamId(): number | undefined {
    return this.#owner.streamOf(this.id)
  }

  /** Bytes of messages that wait to be sent for the first time. */
  get bufferedAmount(): number {
    return this.#owner.bufferedAmount(this.id)
  }

  /** Where `bufferedAmount` falls to this or below, `bufferedAmountLow` says so. Bytes. Default 0. */
  get bufferedAmountLowThreshold(): number {
    return this.#owner.lowThreshold(this.id)
  }

  /** Throws a `UsageError` (`channel-closed`, or `invalid-option` for less than 0). */
  set bufferedAmountLowThreshold(bytes: number) {
    this.#owner.setLowThreshold(this.id, bytes)
  }

  /**
   * Sends a message: a string arrives as text, bytes as binary. Leave the bytes as they are until they are acknowledged: they are not copied.
   * False where too much waits to be sent already, 16 MiB on all channels together: nothing was taken, wait for `bufferedAmountLow`. Throws a `UsageError`:
   * `not-open` before `channelOpen`, `channel-closed`, `message-too-large` for more than the peer takes, `invalid-message` for what is neither.
   */
  write(data: string | Uint8Array): boolean {
    return this.#owner.write(this.id, data)
  }

  /** Closes it once all that was written is sent; `channelClose` follows. Does nothing where it is closing. */
  close(): void {
    this.#owner.closeChannel(this.id)
  }
}

/** What the handles call. Implemented by `Channels`. */
export interface ChannelOwner {
  stateOf(id: ChannelId): ChannelState
  streamOf(id: ChannelId): number | undefined
  bufferedAmount(id: ChannelId): number
  lowThreshold(id: ChannelId): number
  setLowThreshold(id: ChannelId, bytes: number): void
  write(id: ChannelId, data: string | Uint8Array): boolean
  closeChannel(id: ChannelId): void
}
