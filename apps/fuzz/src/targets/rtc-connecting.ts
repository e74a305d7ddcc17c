import type { Transmit } from '@str0m/rtc'
import { type Call, makeCall, received } from '../call.ts'
import { check } from '../check.ts'
import { counted, FuzzInput, program, runProgram } from '../input.ts'

// A whole endpoint while it connects: beside what its peer sends come datagrams that are changed, made up, or from elsewhere. It connects all the same.

const MAX_OPS = 120
const ELSEWHERE = { address: '203.0.113.66', port: 7000 }
const FIRST_BYTES = [0, 1, 20, 21, 22, 23, 25, 64, 128, 144, 200] as const
/** Of each protocol, sent where nothing genuine was yet. */
const MAX_SEEN = 24

class World {
  readonly #input: FuzzInput
  readonly #call: Call
  readonly #seen: Transmit[] = []

  constructor(input: FuzzInput) {
    this.#input = input
    const flags = input.u8()
    this.#call = makeCall(flags, (flags & 2) === 0 ? 'active' : 'passive', {
      rtpMode: (flags & 4) !== 0,
      iceLite: (flags & 8) !== 0,
    })
    const { rtc, peer } = this.#call
    const pollRtc = rtc.pollOutput.bind(rtc)
    // what goes elsewhere does not come to the peer
    rtc.pollOutput = () => {
      for (;;) {
        const output = pollRtc()
        if (output.kind !== 'transmit' || output.destination.port !== ELSEWHERE.port) return output
      }
    }
    const poll = peer.pollOutput.bind(peer)
    peer.pollOutput = () => {
      const output = poll()
      if (output.kind === 'transmit') {
        this.#seen.push({ ...output, contents: output.contents.slice() })
        if (this.#seen.length > MAX_SEEN) this.#seen.shift()
      }
      return output
    }
    this.#call.pair.runFor(5 * input.below(16))
  }

  step(): void {
    const input = this.#input
    const { rtc, pair } = this.#call
    const op = input.below(8)
    const genuine = this.#seen[this.#seen.length - 1 - (input.u8() % Math.max(1, this.#seen.length))]
    if (op === 0) pair.runFor(input.u8())
    else if (op === 1) pair.runFor(5)
    else if (genuine !== undefined) {
      const contents = op === 2 ? input.bytes() : this.#changed(genuine.contents)
      if (op === 3 && contents.length > 0) contents[0] = input.pick(FIRST_BYTES)
      const source = op === 4 ? ELSEWHERE : genuine.source
      const before = rtc.statistics.packetsSent
      rtc.handleInput({ ...received(pair.now, genuine), source, contents })
      check(rtc.statistics.packetsSent - before <= 20, 'one datagram leads to few')
    }
  }

  #changed(genuine: Uint8Array): Uint8Array {
    const input = this.#input
    const bytes = genuine.slice()
    const at = input.u16() % Math.max(1, bytes.length)
    switch (input.below(6)) {
      case 0:
        bytes[at]! ^= input.u8()
        return bytes
      case 1:
        return bytes.slice(0, at)
      case 2:
        return program(bytes.subarray(0, at), input.bytes(), bytes.subarray(at))
      case 3:
        return program(bytes.subarray(0, at), bytes.subarray(at + input.u8()))
      case 4:
        bytes.set(input.bytes().subarray(0, bytes.length - at), at)
        return bytes
      default:
        return bytes
    }
  }

  finish(): void {
    const { rtc, peer, pair } = this.#call
    for (let i = 0; i < 400 && !(rtc.connected && peer.transport.connected); i++) pair.runFor(50)
    check(
      rtc.connected && peer.transport.connected,
      `the two connect: ${rtc.iceState}, ${rtc.statistics.dtlsState}`,
    )
    check(!rtc.closed, 'and nobody else ends it')
    check(rtc.statistics.inbound.length === 0, 'no stream is made of what nobody sent')
  }
}

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  runProgram(input, new World(input), MAX_OPS)
}

export function seeds(): Uint8Array[] {
  const out: Uint8Array[] = []
  for (let flags = 0; flags < 16; flags++) {
    out.push(
      program(flags, flags % 8, 5, 0, 0, 30, 0, 1, 1, 0, 6, 1, 0, 60, 2, 3, 1, 2, 3, 1, 0, 4, 0, 0, 0, 5),
    )
    out.push(
      program(
        flags,
        3 + (flags % 12),
        3,
        0,
        0,
        9,
        5,
        4,
        1,
        0,
        2,
        0,
        counted(program(0x80, 0x6f, 0, 1, new Uint8Array(20))),
        7,
        2,
        0,
        14,
        4,
        9,
      ),
    )
  }
  return out
}
