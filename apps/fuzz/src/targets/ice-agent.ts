import { type Instant, type SocketAddress, writeU16, writeU32 } from '@str0m/sans-io'
import {
  Candidate,
  IceAgent,
  type IceTransmit,
  parseStun,
  type StunMessage,
  verifyStunIntegrity,
  writeStun,
} from '@str0m/stun-ice'
import { fingerprintOf } from '../../../../packages/stun-ice/src/stun-parse.ts'
import { check, drain, unlessRefused, wake } from '../check.ts'
import { fuzzCrypto } from '../crypto.ts'
import { capture } from '../fixtures.ts'
import { counted, FuzzInput, program, runProgram } from '../input.ts'

// An agent and a peer that knows the passwords: requests, answers to what the agent asks, any attributes at all with a right MESSAGE-INTEGRITY, bytes without one,
// candidates, restarts, and time.

const LOCAL: readonly SocketAddress[] = [
  { address: '192.0.2.1', port: 5000 },
  { address: '2001:db8::1', port: 5001 },
]
const REMOTE: readonly SocketAddress[] = [
  { address: '198.51.100.2', port: 6000 },
  { address: '2001:db8::2', port: 6001 },
  { address: '203.0.113.5', port: 6002 },
]
/** From this address all comes by TCP. */
const BY_TCP = '203.0.113.5'
const US = { ufrag: 'ours', pwd: 'o'.repeat(24) }
const PEER = { ufrag: 'peer', pwd: 'p'.repeat(24) }
const MAX_OPS = 300
const MAX_PAIRS = 100
/** What one datagram leads to at once: its answer, and checks that it triggers. */
const MAX_ANSWERS = 4

class World {
  readonly agent: IceAgent
  readonly #input: FuzzInput
  readonly #crypto = fuzzCrypto(5)
  readonly #sent: IceTransmit[] = []
  #credentials = US
  #now: Instant = 0
  #at: Instant = 0
  #restarts = 0

  constructor(input: FuzzInput) {
    this.#input = input
    const flags = input.u8()
    this.agent = new IceAgent({
      crypto: this.#crypto,
      localCredentials: US,
      lite: (flags & 3) === 1,
      controlling: (flags & 3) === 2,
    })
    for (const address of LOCAL) this.agent.addLocalCandidate(Candidate.host(address))
    for (const address of LOCAL) this.agent.addLocalCandidate(Candidate.host(address, 'tcp'))
    if ((flags & 16) !== 0) {
      this.agent.addLocalCandidate(Candidate.host('192.0.2.1:9', 'tcp', { tcpType: 'active' }))
      this.agent.addRemoteCandidate(Candidate.host({ address: BY_TCP, port: 443 }, 'tcp'))
    }
    if ((flags & 4) === 0) this.agent.setRemoteCredentials(PEER)
    if ((flags & 8) !== 0) this.agent.addRemoteCandidate(Candidate.host(REMOTE[0]!))
    this.settle()
  }

  settle(most = Number.POSITIVE_INFINITY): void {
    const { transmits, at } = drain(this.agent)
    this.#take(transmits, at, most)
  }

  #take(transmits: readonly IceTransmit[], at: Instant, most: number): void {
    check(transmits.length <= most, `${transmits.length} datagrams for one`)
    this.#sent.push(...transmits)
    if (this.#sent.length > 64) this.#sent.splice(0, this.#sent.length - 64)
    this.#at = at
    const { pairs } = this.agent.statistics
    check(pairs.length <= MAX_PAIRS, 'pairs are bounded')
    if (this.agent.state === 'closed') check(transmits.length === 0, 'a closed agent is silent')
  }

  /** `authentic`: whether the peer could have sent it. */
  #receive(contents: Uint8Array, from: SocketAddress, to: SocketAddress): void {
    const proto = from.address === BY_TCP ? 'tcp' : 'udp'
    const input = { kind: 'receive', now: this.#now, proto, source: from, destination: to } as const
    const message = parseStun(contents)
    // what was due before is not its doing
    this.#wakeAt(this.#now)
    const state = this.agent.state
    this.agent.handleInput({ ...input, contents })
    const { transmits, at } = drain(this.agent)
    if (typeof message === 'string' || !this.#isAuthentic(message.class, contents)) {
      // what waits for its turn may go out: it was not asked for by this
      const answers = transmits.filter((sent) => {
        const written = parseStun(sent.contents)
        return typeof written === 'object' && written.class !== 'request'
      })
      check(answers.length === 0, 'nothing answers what is not authentic')
      check(this.agent.state === state || state === 'new', 'what is not authentic changes no state')
    }
    this.#take(transmits, at, MAX_ANSWERS)
  }

  #isAuthentic(kind: string, contents: Uint8Array): boolean {
    const message = parseStun(contents)
    if (typeof message === 'string') return false
    const passwords =
      kind === 'request' ? [US.pwd, this.#credentials.pwd, this.agent.localCredentials.pwd] : [PEER.pwd]
    return passwords.some((pwd) => verifyStunIntegrity(message, this.#crypto.hmac('sha1', Buffer.from(pwd))))
  }

  step(): void {
    const input = this.#input
    const op = input.below(12)
    switch (op) {
      case 0:
      case 1:
        this.#request()
        break
      case 2:
      case 3:
        this.#response()
        break
      case 4:
        this.#anyAttributes()
        break
      case 5:
        this.#receive(input.bytes(), input.pick(REMOTE), input.pick(LOCAL))
        break
      case 6:
        // to the next deadline
        this.#wakeAt(Number.isFinite(this.#at) ? Math.max(this.#at, this.#now) : this.#now)
        break
      case 7:
        this.#wakeAt(this.#now + input.u16())
        break
      case 8: {
        const text = `candidate:${input.u8()} 1 udp ${1 + input.u16()} ${input.pick(['198.51.100.', 'n'])}${input.u8()}${input.pick(['', '.local'])} ${input.u16()} typ ${input.pick(['host', 'srflx', 'relay'])}`
        const candidate = Candidate.parse(text)
        if (candidate !== undefined) unlessRefused(() => this.agent.addRemoteCandidate(candidate))
        this.settle()
        break
      }
      case 9:
        this.#signalling()
        break
      case 10:
        for (const [i, sent] of this.#sent.slice(-8).entries()) if (i % 2 === 0) this.#answer(sent, 0)
        break
      default:
        this.agent.isValidatedPath({
          source: input.pick(REMOTE),
          destination: input.pick(LOCAL),
          proto: input.pick(['udp', 'tcp']),
        })
    }
  }

  #wakeAt(now: Instant): void {
    this.#now = now
    const { transmits, at } = wake(this.agent, now)
    this.#take(transmits, at, 2 * MAX_PAIRS)
  }

  #signalling(): void {
    const { agent } = this
    const input = this.#input
    switch (input.below(8)) {
      case 0:
        this.#credentials = { ufrag: `ours${this.#restarts++}`, pwd: `o${'x'.repeat(24)}` }
        unlessRefused(() => agent.restart(this.#credentials))
        break
      case 1:
        unlessRefused(() => agent.setRemoteCredentials(PEER))
        break
      case 2:
        unlessRefused(() => agent.endOfRemoteCandidates())
        break
      case 3:
        unlessRefused(() =>
          agent.resolveMdns(`n${input.u8()}.local`, input.pick([undefined, '198.51.100.9', '::1', 'x'])),
        )
        break
      case 4:
        unlessRefused(() => agent.setControlling(input.below(2) === 0))
        break
      case 5:
        unlessRefused(() => agent.setRemoteLite(input.below(2) === 0))
        break
      case 6:
        if (input.below(4) === 0) agent.close()
        break
      default:
        unlessRefused(() => agent.setRemoteCredentials({ ufrag: 'other', pwd: 'q'.repeat(24) }))
    }
    this.settle()
  }

  #hmac(pwd: string): ReturnType<ReturnType<typeof fuzzCrypto>['hmac']> {
    return this.#crypto.hmac('sha1', Buffer.from(pwd))
  }

  #source(): SocketAddress {
    const { address, port } = this.#input.pick(REMOTE)
    return { address, port: port + this.#input.u8() * this.#input.below(4) }
  }

  #request(): void {
    const input = this.#input
    const flags = input.u8()
    const local = (flags & 1) === 0 ? this.#credentials : this.agent.localCredentials
    const message: StunMessage = {
      class: 'request',
      method: 1,
      transactionId: new Uint8Array(12).fill(input.u8()),
      username: (flags & 2) === 0 ? `${local.ufrag}:${PEER.ufrag}` : `${local.ufrag}:`,
      priority: (flags & 4) === 0 ? 1 + input.u16() : undefined,
      useCandidate: (flags & 8) !== 0,
      iceControlling: (flags & 16) === 0 ? BigInt(input.u32()) << 32n : undefined,
      iceControlled: (flags & 32) === 0 ? undefined : BigInt(input.u32()) << 32n,
    }
    const integrity = this.#hmac((flags & 64) === 0 ? local.pwd : PEER.pwd)
    this.#receive(writeStun(message, { integrity }), this.#source(), input.pick(LOCAL))
  }

  #response(): void {
    const sent = this.#sent.at(-1 - this.#input.below(16))
    if (sent !== undefined) this.#answer(sent, this.#input.u8())
  }

  #answer(sent: IceTransmit, flags: number): void {
    const request = parseStun(sent.contents)
    if (typeof request === 'string' || request.class !== 'request') return
    const input = this.#input
    const mapped = (flags & 1) === 0 ? sent.source : { address: '203.0.113.77', port: 1 + input.u8() }
    const isError = (flags & 2) !== 0
    const message: StunMessage = {
      class: isError ? 'error' : 'success',
      method: (flags & 32) === 0 ? 1 : 3,
      transactionId: request.transactionId,
      xorMappedAddress: (flags & 4) === 0 ? mapped : undefined,
      errorCode: isError ? { code: (flags & 8) === 0 ? 487 : 300 + input.u8(), reason: 'x' } : undefined,
    }
    const integrity = this.#hmac((flags & 16) === 0 ? PEER.pwd : US.pwd)
    const from = (flags & 64) === 0 ? sent.destination : input.pick(REMOTE)
    this.#receive(
      writeStun(message, { integrity }),
      from,
      (flags & 128) === 0 ? sent.source : input.pick(LOCAL),
    )
  }

  /** A message of any type with attributes that the input has, and a right MESSAGE-INTEGRITY and FINGERPRINT after them. */
  #anyAttributes(): void {
    const input = this.#input
    const type = input.u8()
    const attributes = input.bytes()
    const at = 20 + 4 * Math.ceil(attributes.length / 4)
    const bytes = new Uint8Array(at + 32)
    writeU16(bytes, 0, [0x0001, 0x0101, 0x0111, 0x0011, 0x0003][type % 5]!)
    writeU32(bytes, 4, 0x2112_a442)
    const sent = this.#sent.at(-1)
    bytes.set((type & 64) !== 0 && sent !== undefined ? sent.contents.subarray(8, 20) : new Uint8Array(12), 8)
    bytes.set(attributes, 20)
    writeU16(bytes, 2, at + 4)
    writeU32(bytes, at, 0x0008_0014)
    const pwd = (type & 64) === 0 ? this.agent.localCredentials.pwd : PEER.pwd
    bytes.set(this.#hmac(pwd).sign(bytes.subarray(0, at)), at + 4)
    writeU16(bytes, 2, at + 12)
    writeU32(bytes, at + 24, 0x8028_0004)
    writeU32(bytes, at + 28, fingerprintOf(bytes, at + 24))
    this.#receive(bytes, this.#source(), input.pick(LOCAL))
  }

  finish(): void {
    // left alone it is silent in the end, or asks for consent that nobody gives
    for (
      let rounds = 0;
      this.agent.state !== 'failed' && Number.isFinite(this.#at) && rounds < 3000;
      rounds++
    ) {
      this.#wakeAt(Math.max(this.#now, this.#at))
    }
    const isOver = this.agent.state === 'failed' || !Number.isFinite(this.#at)
    check(isOver, `an agent without a peer comes to rest: ${this.agent.state} at ${this.#now}`)
  }
}

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  runProgram(input, new World(input), MAX_OPS)
}

export function seeds(): Uint8Array[] {
  const attributes = counted(
    program(
      0,
      6,
      0,
      9,
      'ours:peer',
      0,
      0,
      0,
      0,
      0x24,
      0,
      4,
      0,
      0,
      0,
      9,
      0x80,
      0x29,
      0,
      8,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      1,
    ),
  )
  const request = (flags: number): number[] => [0, flags, 1, 0, 9, 0, 0, 0, 7, 0, 0, 0, 0]
  const [captured] = capture('packages/stun-ice/test/fixtures/chromium-stun-binding-request.hex')
  return [
    program(0, ...request(0), 6, 2, 0, 0, 6, 6, 10, 7, 0x10, 0),
    program(2, 8, 1, 0, 9, 0, 1, 0x17, 0x70, 0, 6, 6, 2, 0, 0, 6, 10, 6, 10, 7, 0x60, 0),
    program(1, ...request(8), ...request(24), 6, 7, 0x80, 0),
    program(9, ...request(8), 6, 2, 0, 2, 10, 2, 0, 1, 9, 0, 9, 1, ...request(0), 6, 10),
    program(0, 4, 0, attributes, 0, 0, 0, 4, 65, attributes, 0, 0, 0, 5, counted(captured!), 0, 0),
    program(4, 8, 1, 0, 5, 1, 3, 1, 0x17, 0, 0, 9, 3, 3, 1, 9, 1, 6, 10, 9, 2, 9, 4, 0, 9, 5, 0, 9, 6, 0),
  ]
}
