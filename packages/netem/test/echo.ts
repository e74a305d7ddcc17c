import {
  type Instant,
  type Machine,
  NEVER,
  type Output,
  OutputQueue,
  type ReceiveInput,
  type SocketAddress,
  type TimeoutInput,
  type TransmitOutput,
} from '@str0m/sans-io'

export interface EchoDatagram extends TransmitOutput {
  readonly source: SocketAddress
  readonly destination: SocketAddress
}
export interface EchoReceive extends ReceiveInput {
  readonly source: SocketAddress
  readonly destination: SocketAddress
}
export type EchoEvent = { readonly type: 'heard'; readonly from: SocketAddress; readonly byte: number }

/** Reports what it hears, answers it with one less while above zero, and may send every `interval`. */
export class Echo implements Machine<EchoEvent, EchoDatagram, TimeoutInput | EchoReceive> {
  readonly #outputs = new OutputQueue<Output<EchoEvent, EchoDatagram>>()
  readonly #address: SocketAddress
  readonly #interval: number
  #target: SocketAddress | undefined
  #at: Instant = NEVER

  constructor(address: SocketAddress, interval: number = NEVER) {
    this.#address = address
    this.#interval = interval
  }

  send(destination: SocketAddress, byte: number): void {
    const contents = Uint8Array.of(byte)
    this.#outputs.push({ kind: 'transmit', source: this.#address, destination, contents })
  }

  beat(now: Instant, target: SocketAddress): void {
    this.#target = target
    this.#at = now
  }

  handleInput(input: TimeoutInput | EchoReceive): void {
    if (input.kind === 'receive') {
      const byte = input.contents[0]!
      this.#outputs.push({ kind: 'event', event: { type: 'heard', from: input.source, byte } })
      if (byte > 0) this.send(input.source, byte - 1)
    } else if (this.#target !== undefined && input.now >= this.#at) {
      this.send(this.#target, 0)
      this.#at += this.#interval
    }
  }

  pollOutput(): Output<EchoEvent, EchoDatagram> {
    return this.#outputs.shift() ?? { kind: 'timeout', at: this.#at }
  }
}
