import { Candidate, type ChangeSet, Rtc, type RtcEvent, type RtcOptions } from '@str0m/rtc'
import type { SocketAddress } from '@str0m/sans-io'

/** How long two peers may take to connect, or to do what else `run` waits for, in virtual ms. */
const PATIENCE = 10_000

export interface Side {
  readonly rtc: Rtc
  readonly address: SocketAddress
  at: number
}

/**
 * Two peers in one process. A datagram arrives at once, and where both wait, time jumps to when the first of them needs it: what is left is
 * the work.
 */
export class MemoryWire {
  readonly offerer: Side
  readonly answerer: Side
  /** Datagrams so far. */
  datagrams = 0
  now: number
  readonly #onEvent: (event: RtcEvent, side: Side) => void

  constructor(options: RtcOptions, now: number, onEvent: (event: RtcEvent, side: Side) => void = () => {}) {
    this.now = now
    this.#onEvent = onEvent
    this.offerer = open(options, { address: '192.0.2.1', port: 5000 })
    this.answerer = open(options, { address: '192.0.2.2', port: 5000 })
  }

  /** Exchanges offer and answer, and runs until both are connected. `prepare` says what is offered: one video section by default. */
  connect(prepare: (change: ChangeSet) => void = (change) => void change.addMedia('video')): void {
    const change = this.offerer.rtc.createOffer()
    prepare(change)
    const answer = this.answerer.rtc.acceptOffer(change.apply())
    this.offerer.rtc.pendingChanges()?.acceptAnswer(answer)
    this.run(() => this.offerer.rtc.connected && this.answerer.rtc.connected)
  }

  close(): void {
    this.offerer.rtc.close()
    this.#drain(this.offerer)
    this.answerer.rtc.close()
    this.#drain(this.answerer)
  }

  run(done: () => boolean): void {
    const end = this.now + PATIENCE
    for (;;) {
      this.#drain(this.offerer)
      this.#drain(this.answerer)
      if (done()) return
      const next = Math.min(this.offerer.at, this.answerer.at)
      if (next > end) throw new Error('The peers did not get done')
      this.now = Math.max(this.now, next)
      for (const side of [this.offerer, this.answerer]) {
        if (side.at <= this.now) side.rtc.handleInput({ kind: 'timeout', now: this.now })
      }
    }
  }

  #drain(side: Side): void {
    for (;;) {
      const output = side.rtc.pollOutput()
      if (output.kind === 'timeout') {
        side.at = output.at
        return
      }
      if (output.kind === 'event') {
        this.#onEvent(output.event, side)
        continue
      }
      this.deliver(side, output.contents)
    }
  }

  /** Gives a datagram of one side to the other. */
  deliver(from: Side, contents: Uint8Array): void {
    const to = from === this.offerer ? this.answerer : this.offerer
    this.datagrams++
    to.at = this.now
    to.rtc.handleInput({
      kind: 'receive',
      now: this.now,
      proto: 'udp',
      source: from.address,
      destination: to.address,
      contents,
    })
  }

  /** Does what is due now, and does not let time go on. */
  settle(): void {
    for (const side of [this.offerer, this.answerer]) side.rtc.handleInput({ kind: 'timeout', now: this.now })
    this.run(() => true)
    this.run(() => true)
  }
}

function open(options: RtcOptions, address: SocketAddress): Side {
  const rtc = new Rtc(options)
  rtc.addLocalCandidate(Candidate.host(address))
  return { rtc, address, at: 0 }
}
