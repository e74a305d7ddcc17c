import type { Instant } from '@str0m/sans-io'
import { DataChannels, SctpAssociation } from '@str0m/sctp'
import { writeOpen } from '../../../../packages/sctp/src/wire/dcep.ts'
import { check, drain, unlessRefused, wake } from '../check.ts'
import { fuzzCrypto } from '../crypto.ts'
import { counted, FuzzInput, program, runProgram } from '../input.ts'

// Data channels, and a peer whose association is right and whose messages are not: any bytes with any identifier on any stream, resets, and the user's own calls.

const MAX_OPS = 150
const PPIDS = [50, 51, 53, 56, 57, 52, 54, 0, 0xffff_ffff] as const

class World {
  readonly #input: FuzzInput
  readonly #channels: DataChannels
  readonly #peer: SctpAssociation
  readonly #ids = new Set<number>()
  #open = 0
  #now: Instant = 0

  constructor(input: FuzzInput) {
    this.#input = input
    const flags = input.u8()
    const interleaving = (flags & 1) !== 0
    this.#channels = new DataChannels({
      role: (flags & 2) === 0 ? 'client' : 'server',
      crypto: fuzzCrypto(1),
      interleaving,
      maxMessageSize: 4096,
      receiveWindow: 65_536,
      streams: (flags & 4) === 0 ? 65_535 : 4,
    })
    this.#peer = new SctpAssociation({ crypto: fuzzCrypto(2), interleaving })
    this.#peer.connect(0)
    this.exchange()
    check(this.#channels.isConnected, 'the association is there')
  }

  /** What both have to say, until neither has more. */
  exchange(): void {
    for (let rounds = 0; ; rounds++) {
      check(rounds < 500, 'the two come to an end')
      const mine = drain(this.#channels)
      const theirs = drain(this.#peer)
      for (const event of mine.events) {
        if (event.type === 'channelOpen') {
          check(event.id >= 0 && event.id < 65_535, 'an id is one of a stream')
          this.#ids.add(event.id)
          this.#open++
        } else if (event.type === 'channelClose') this.#ids.delete(event.id)
        else if (event.type === 'channelData') {
          check(event.data.length <= 4096, 'a message has its bound')
          check(this.#ids.has(event.id), 'data comes on a channel that is there')
        }
      }
      if (mine.transmits.length + theirs.transmits.length === 0) return
      for (const { contents } of mine.transmits)
        this.#peer.handleInput({ kind: 'receive', now: this.#now, contents })
      for (const { contents } of theirs.transmits) {
        this.#channels.handleInput({ kind: 'receive', now: this.#now, contents })
      }
    }
  }

  step(): void {
    const input = this.#input
    const op = input.below(16)
    const now = this.#now
    const stream = input.u8() === 255 ? 65_534 : input.below(8)
    if (op < 6)
      unlessRefused(() =>
        this.#peer.send(now, stream, input.pick(PPIDS), input.bytes(), { unordered: op === 0 }),
      )
    else if (op === 6)
      unlessRefused(() => this.#peer.send(now, stream, input.pick(PPIDS), new Uint8Array(input.u16())))
    else if (op === 7) unlessRefused(() => this.#peer.resetStream(now, stream))
    else if (op === 8) this.#openOne(stream)
    else if (op === 9) unlessRefused(() => this.#channels.close(now, stream))
    else if (op === 10)
      unlessRefused(() => this.#channels.send(now, stream, input.pick(['', 'text', new Uint8Array(3)])))
    else if (op === 11) this.#channels.bufferedAmount(stream)
    else if (op === 12) {
      if (input.below(8) === 0) unlessRefused(() => this.#peer.shutdown(now))
    } else if (op === 13) {
      if (input.below(8) === 0) unlessRefused(() => this.#channels.shutdown(now))
    } else {
      this.#now += op === 14 ? input.u8() : input.u16()
      wake(this.#channels, this.#now)
      wake(this.#peer, this.#now)
    }
    if ((op & 1) === 0 || input.done) this.exchange()
  }

  #openOne(id: number): void {
    const input = this.#input
    const flags = input.u8()
    const opened = unlessRefused(() =>
      this.#channels.open(this.#now, 'x', {
        ordered: (flags & 1) === 0,
        ...((flags & 2) === 0 ? {} : { maxRetransmits: input.u8() }),
        ...((flags & 4) === 0 ? {} : { negotiated: true, id }),
        ...((flags & 8) === 0 ? {} : { priority: input.u16() }),
        protocol: (flags & 16) === 0 ? '' : 'p',
      }),
    )
    // one of ours that is closed before it is taken up may still have data
    if (opened !== undefined) this.#ids.add(opened)
  }

  finish(): void {
    this.exchange()
    check(this.#ids.size <= 65_535 && this.#open <= MAX_OPS, 'a message opens one channel at most')
  }
}

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  runProgram(input, new World(input), MAX_OPS)
}

export function seeds(): Uint8Array[] {
  const open = (label: string, limits: object): Uint8Array =>
    counted(writeOpen({ label, protocol: 'p', priority: 256, ordered: true, ...limits }))
  const text = counted(program('text'))
  return [0, 1, 2, 3, 4].flatMap((flags) => [
    program(
      flags,
      2,
      0,
      1,
      0,
      open('one', {}),
      2,
      0,
      1,
      1,
      text,
      2,
      0,
      1,
      2,
      text,
      2,
      0,
      1,
      3,
      counted(program(0)),
      7,
      0,
      1,
      14,
      0,
      0,
      20,
    ),
    program(
      flags,
      2,
      0,
      1,
      0,
      open('', { maxRetransmits: 3 }),
      2,
      0,
      0,
      0,
      open('two', { maxPacketLifeTime: 9 }),
      2,
      0,
      1,
      0,
      counted(program(2)),
    ),
    program(
      flags,
      8,
      0,
      0,
      0,
      8,
      0,
      2,
      6,
      1,
      2,
      0,
      0,
      0,
      counted(program(2)),
      10,
      0,
      0,
      1,
      9,
      0,
      0,
      14,
      0,
      0,
      50,
      7,
      0,
      0,
      14,
      0,
      0,
      50,
    ),
    program(flags, 8, 0, 3, 4, 2, 0, 3, 5, text, 2, 0, 3, 6, text, 2, 0, 3, 2, text, 6, 0, 3, 2, 0x20, 0),
  ])
}
