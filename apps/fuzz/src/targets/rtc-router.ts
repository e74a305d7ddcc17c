import { Candidate, Rtc, RtcRouter, type Transmit } from '@str0m/rtc'
import type { Instant, SocketAddress } from '@str0m/sans-io'
import { BrowserPeer } from '../../../../packages/rtc/test/browser-peer.ts'
import { certificate, received } from '../call.ts'
import { check } from '../check.ts'
import { fuzzCrypto } from '../crypto.ts'
import { DESCRIPTIONS } from '../fixtures.ts'
import { counted, FuzzInput, program, runProgram } from '../input.ts'

// A socket of a server that two peers connect to, while datagrams come that are copied from one to the other, changed, made up, and from any address. Each
// peer comes to its own `Rtc` all the same.

const SERVER = { address: '192.0.2.1', port: 5000 }
const PEERS: readonly SocketAddress[] = [
  { address: '192.0.2.2', port: 6000 },
  { address: '192.0.2.3', port: 6000 },
]
const MAX_OPS = 150
const MAX_SEEN = 24
/** Milliseconds. */
const STEP = 10

class World {
  readonly #input: FuzzInput
  readonly #router = new RtcRouter()
  readonly #rtcs: Rtc[] = []
  readonly #peers: BrowserPeer[] = []
  readonly #seen: Transmit[] = []
  #now: Instant = 0

  constructor(input: FuzzInput) {
    this.#input = input
    for (const [i, { address, port }] of PEERS.entries()) {
      const rtc = new Rtc({ crypto: fuzzCrypto(81 + i), certificate, iceLite: (input.u8() & 1) !== 0 })
      rtc.addLocalCandidate(Candidate.host(SERVER))
      const peer = new BrowserPeer(DESCRIPTIONS[i]!, `${address}:${port}`, fuzzCrypto(91 + i))
      peer.accept(rtc.acceptOffer(peer.offer('active')))
      this.#router.add(rtc)
      this.#rtcs.push(rtc)
      this.#peers.push(peer)
    }
    this.#run(input.below(12))
  }

  /** So many steps of time, without loss. */
  #run(steps: number): void {
    for (let i = 0; i < steps; i++) {
      this.#now += STEP
      this.#router.handleInput({ kind: 'timeout', now: this.#now })
      this.#drainRouter()
      for (const peer of this.#peers) {
        peer.handleInput({ kind: 'timeout', now: this.#now })
        for (let output = peer.pollOutput(); output.kind !== 'timeout'; output = peer.pollOutput()) {
          if (output.kind !== 'transmit') continue
          this.#seen.push({ ...output, contents: output.contents.slice() })
          if (this.#seen.length > MAX_SEEN) this.#seen.shift()
          this.#router.handleInput(received(this.#now, output))
        }
      }
      this.#drainRouter()
    }
  }

  #drainRouter(): void {
    for (let outputs = 0; ; outputs++) {
      check(outputs < 5000, 'outputs come to an end')
      const output = this.#router.pollOutput()
      if (output.kind === 'timeout') break
      check(this.#rtcs.includes(output.rtc), 'an output is of one of the peers')
      if (output.kind !== 'transmit') continue
      const to = PEERS.findIndex(({ address, port }) => {
        const { destination } = output
        return destination.address === address && destination.port === port
      })
      this.#peers[to]?.handleInput(received(this.#now, output))
    }
    check(this.#router.size === PEERS.length, 'nobody else ends a peer')
  }

  step(): void {
    const input = this.#input
    const op = input.below(8)
    if (op === 0) this.#run(1 + input.below(20))
    else {
      const genuine = this.#seen[this.#seen.length - 1 - (input.u8() % Math.max(1, this.#seen.length))]
      if (genuine === undefined) return
      const contents =
        op < 3 ? input.bytes() : op < 5 ? genuine.contents.slice() : this.#changed(genuine.contents)
      const { address, port } = PEERS[input.u8() & 1]!
      const source = (op & 1) === 0 ? { address, port } : { address, port: port + input.u8() }
      const isMade = (op & 1) === 1 && input.below(2) === 1
      this.#router.handleInput({
        ...received(this.#now, { ...genuine, contents }),
        source: isMade ? { address: '203.0.113.9', port: input.u16() } : source,
      })
      this.#drainRouter()
    }
  }

  #changed(genuine: Uint8Array): Uint8Array {
    const input = this.#input
    const at = input.u16() % Math.max(1, genuine.length)
    if (input.below(2) === 0)
      return program(genuine.subarray(0, at), input.bytes(), genuine.subarray(at + input.u8()))
    const bytes = genuine.slice()
    bytes[at]! ^= input.u8()
    return bytes
  }

  finish(): void {
    const isConnected = (): boolean =>
      this.#rtcs.every((rtc) => rtc.connected) && this.#peers.every((peer) => peer.transport.connected)
    for (let i = 0; i < 300 && !isConnected(); i++) this.#run(10)
    const states = this.#rtcs.map((rtc) => `${rtc.iceState} ${rtc.statistics.dtlsState}`).join(', ')
    check(isConnected(), `all connect: ${states}`)
  }
}

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  runProgram(input, new World(input), MAX_OPS)
}

export function seeds(): Uint8Array[] {
  const out: Uint8Array[] = []
  for (let steps = 0; steps < 12; steps += 2) {
    const lite = steps & 1
    out.push(program(lite, 0, steps, 3, 0, 1, 0, 0, 4, 1, 1, 5, 0, 0, 30, 1, 7, 0, 3, 0, 0, 2))
    out.push(
      program(
        1,
        1,
        steps,
        4,
        0,
        0,
        4,
        1,
        1,
        3,
        2,
        1,
        9,
        1,
        0x12,
        0x34,
        0,
        3,
        6,
        0,
        0,
        24,
        0,
        counted(program('x')),
        1,
      ),
    )
    out.push(
      program(
        0,
        1,
        steps,
        1,
        0,
        counted(program(0x80, 0x6f, new Uint8Array(20))),
        1,
        0,
        0,
        2,
        0,
        counted(program(22, 254, 253)),
        0,
      ),
    )
  }
  return out
}
