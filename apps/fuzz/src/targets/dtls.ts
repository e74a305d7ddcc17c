import { Dtls, DtlsCertificate, type DtlsEvent, type DtlsVersion } from '@str0m/dtls'
import type { Instant } from '@str0m/sans-io'
import { check, drain, sameBytes, unlessRefused, wake } from '../check.ts'
import { fuzzCrypto } from '../crypto.ts'
import { capture } from '../fixtures.ts'
import { counted, FuzzInput, program, runProgram } from '../input.ts'

// A client and a server in any state of the handshake and after it, and someone on the path: datagrams that are lost, repeated, changed and late, and
// others that were made up, record by record and message by message. However it goes, the two agree or neither is deceived, and once the path is left alone they connect.

const CERTIFICATES = {
  client: DtlsCertificate.generate({ crypto: fuzzCrypto(21) }),
  server: DtlsCertificate.generate({ crypto: fuzzCrypto(22) }),
}
const SIDES = ['client', 'server'] as const
type Side = (typeof SIDES)[number]
const MAX_OPS = 200
/** Datagrams of the attacker's. More than a handshake's time is no longer left alone. */
const MAX_IN_FLIGHT = 64
const TYPES = [0, 1, 2, 3, 11, 12, 13, 14, 15, 16, 20, 4, 22, 24, 8, 255] as const
const CONTENT_TYPES = [22, 20, 21, 23, 24, 25, 0, 255] as const
/** Milliseconds until a handshake is given up. */
const TIMEOUT = 30_000

/** What each side has of versions: one of these goes by the input. */
const VERSIONS: readonly Readonly<Record<Side, readonly DtlsVersion[]>>[] = [
  { client: ['DTLS 1.2'], server: ['DTLS 1.2'] },
  { client: ['DTLS 1.3'], server: ['DTLS 1.3'] },
  { client: ['DTLS 1.3', 'DTLS 1.2'], server: ['DTLS 1.3', 'DTLS 1.2'] },
  { client: ['DTLS 1.3', 'DTLS 1.2'], server: ['DTLS 1.2'] },
]

interface InFlight {
  to: Side
  contents: Uint8Array
}

class World {
  readonly #input: FuzzInput
  readonly #machines: Record<Side, Dtls>
  readonly #events: Record<Side, DtlsEvent[]> = { client: [], server: [] }
  readonly #seen: InFlight[] = []
  #inFlight: InFlight[] = []
  #now: Instant = 0
  readonly #cookies: boolean
  /** Whether a hello may come in several datagrams. */
  readonly #inParts: boolean
  #bytesFromServer = 0
  #bytesToServer = 0
  #tampered = false
  #closed = false

  constructor(input: FuzzInput) {
    this.#input = input
    const flags = input.u8()
    this.#cookies = (flags & 1) !== 0
    const mtu = (flags & 2) === 0 ? 1200 : 200
    const fingerprints = (flags & 4) === 0
    const versions = VERSIONS[(flags >> 3) & 3]!
    this.#inParts = versions.client.includes('DTLS 1.3')
    const make = (role: Side, other: Side, seed: number): Dtls =>
      new Dtls({
        role,
        certificate: CERTIFICATES[role],
        crypto: fuzzCrypto(seed),
        mtu,
        versions: versions[role],
        cookie: this.#cookies ? 'required' : 'off',
        ...(fingerprints
          ? {
              remoteFingerprints: [
                { algorithm: 'sha-256', value: CERTIFICATES[other].fingerprint('sha-256') },
              ],
            }
          : {}),
      })
    this.#machines = { client: make('client', 'server', 31), server: make('server', 'client', 32) }
    this.#machines.client.start(0)
    this.#collect()
    // so many datagrams go undisturbed
    for (let steps = input.below(24); steps > 0 && this.#inFlight.length > 0; steps--) this.#deliver()
  }

  #collect(): void {
    for (const side of SIDES) {
      const { transmits, events } = drain(this.#machines[side])
      this.#events[side].push(...events)
      for (const { contents } of transmits) {
        if (side === 'server') this.#bytesFromServer += contents.length
        const datagram = { to: side === 'client' ? 'server' : 'client', contents } as const
        this.#inFlight.push(datagram)
        this.#seen.push({ to: datagram.to, contents: contents.slice() })
      }
    }
    if (this.#seen.length > MAX_IN_FLIGHT) this.#seen.splice(0, this.#seen.length - MAX_IN_FLIGHT)
    if (this.#inFlight.length > MAX_IN_FLIGHT) this.#inFlight.splice(0, this.#inFlight.length - MAX_IN_FLIGHT)
    for (const side of SIDES) {
      for (const event of this.#events[side]) {
        if (event.type !== 'closed') continue
        // who waits in vain for the end of a handshake of DTLS 1.3 says so under its keys
        const isTold = event.reason === 'fatal-alert' && this.#gaveUp(side === 'client' ? 'server' : 'client')
        const allowed = this.#closed || isTold || event.reason === 'handshake-timeout'
        check(allowed, `nobody else ends it: ${side} ${event.reason}`)
      }
    }
  }

  #gaveUp(side: Side): boolean {
    return this.#events[side].some((event) => event.type === 'closed' && event.reason === 'handshake-timeout')
  }

  #give({ to, contents }: InFlight): void {
    const sentBefore = this.#bytesFromServer
    const isUnproven = this.#cookies && this.#machines.server.state === 'new' && to === 'server'
    const { length } = contents
    this.#machines[to].handleInput({ kind: 'receive', now: this.#now, contents })
    this.#collect()
    if (to === 'server') this.#bytesToServer += length
    if (isUnproven && this.#machines.server.state === 'new') {
      // the answer to a hello may be longer than its last part
      const sent = this.#inParts ? this.#bytesFromServer : this.#bytesFromServer - sentBefore
      const given = this.#inParts ? this.#bytesToServer : length
      check(sent <= given, 'an unproven address gets no more than it gave')
    }
  }

  #deliver(): void {
    const next = this.#inFlight.shift()
    if (next !== undefined) this.#give(next)
  }

  step(): void {
    const input = this.#input
    const op = input.below(16)
    const next = this.#inFlight[0]
    switch (op) {
      case 0:
      case 1:
      case 2:
        this.#deliver()
        break
      case 3:
        this.#inFlight.shift()
        break
      case 4:
        if (next !== undefined) this.#give({ to: next.to, contents: next.contents.slice() })
        break
      case 5:
        // changed on its way
        if (next !== undefined) this.#give({ to: next.to, contents: this.#changed(next.contents) })
        break
      case 6:
        this.#insert(input.pick(SIDES), input.bytes())
        break
      case 7:
      case 8:
        this.#insert(input.pick(SIDES), this.#record(input.u8()))
        break
      case 9: {
        const old = this.#seen[input.u8() % Math.max(1, this.#seen.length)]
        if (old !== undefined) this.#insert(old.to, this.#changed(old.contents))
        break
      }
      case 10: {
        // sent back to where it came from
        const old = this.#seen.at(-1)
        if (old !== undefined) this.#insert(old.to === 'client' ? 'server' : 'client', old.contents.slice())
        break
      }
      case 11:
        this.#inFlight.reverse()
        break
      case 12:
        this.#wake(this.#now + input.u8() * 8)
        break
      case 13:
      case 14:
        this.#send(input.pick(SIDES), input.bytes())
        break
      default:
        if (input.below(8) === 0) {
          this.#closed = true
          this.#machines[input.pick(SIDES)].close()
          this.#collect()
        }
    }
  }

  #insert(to: Side, contents: Uint8Array): void {
    this.#tampered = true
    this.#give({ to, contents })
  }

  #wake(now: Instant): void {
    this.#now = now
    for (const side of SIDES) {
      const { transmits, events } = wake(this.#machines[side], now)
      this.#events[side].push(...events)
      for (const { contents } of transmits) {
        if (side === 'server') this.#bytesFromServer += contents.length
        this.#inFlight.push({ to: side === 'client' ? 'server' : 'client', contents })
      }
    }
    this.#collect()
  }

  #send(side: Side, data: Uint8Array): void {
    unlessRefused(() => this.#machines[side].send(data))
    this.#collect()
  }

  #changed(genuine: Uint8Array): Uint8Array {
    const input = this.#input
    this.#tampered = true
    const bytes = genuine.slice()
    const at = input.u16() % Math.max(1, bytes.length)
    switch (input.below(5)) {
      case 0:
        bytes[at]! ^= input.u8()
        return bytes
      case 1:
        return bytes.slice(0, at)
      case 2:
        return program(bytes, bytes)
      case 3: {
        // another body for the first message, with right lengths
        const body = program(bytes.subarray(25, 25 + at), input.bytes(), bytes.subarray(25 + at + input.u8()))
        return this.#handshake(bytes[13] ?? 1, (bytes[18] ?? 0) & 15, body, 0, body.length)
      }
      default:
        return program(bytes.subarray(0, at), input.bytes(), bytes.subarray(at))
    }
  }

  #record(kind: number): Uint8Array {
    const input = this.#input
    if ((kind & 7) !== 0) {
      const body = input.bytes()
      const length = (kind & 8) === 0 ? body.length : input.u16() * 256 + input.u8()
      return this.#handshake(
        input.pick(TYPES),
        input.below(16),
        body,
        (kind & 16) === 0 ? 0 : input.u8(),
        length,
      )
    }
    const epoch = (kind & 8) === 0 ? 0 : input.below(3)
    return recordOf(input.pick(CONTENT_TYPES), epoch, input.u16(), input.bytes())
  }

  #handshake(type: number, sequence: number, body: Uint8Array, offset: number, length: number): Uint8Array {
    const u24 = (value: number): number[] => [(value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff]
    const header = [type, ...u24(length), 0, sequence, ...u24(offset), ...u24(body.length)]
    return recordOf(22, 0, this.#input.u8(), program(...header, body))
  }

  finish(): void {
    // the path is left alone, with time for a handshake
    const until = this.#now + 20_000
    for (let steps = 0; steps < 600; steps++) {
      if (this.#inFlight.length > 0) {
        this.#deliver()
        continue
      }
      if (this.#isConnected()) break
      const at = Math.min(...SIDES.map((side) => drain(this.#machines[side]).at))
      if (at > until) break
      this.#wake(Math.max(at, this.#now))
    }
    const over = this.#closed || this.#now > TIMEOUT - 20_000
    const states = SIDES.map((side) => this.#machines[side].state)
    check(over || this.#isConnected(), `left alone, the two connect: ${states.join(', ')} at ${this.#now}`)
    this.#agree()
  }

  #isConnected(): boolean {
    return SIDES.every((side) => this.#events[side].some(({ type }) => type === 'connected'))
  }

  #agree(): void {
    const [client, server] = SIDES.map((side) =>
      this.#events[side].find((event) => event.type === 'connected'),
    )
    if (client?.type === 'connected' && server?.type === 'connected') {
      check(client.version === server.version, 'both have one version')
      check(client.cipherSuite === server.cipherSuite, 'one cipher suite')
      const [a, b] = [client.srtp, server.srtp]
      check(a !== undefined && b !== undefined && a.profile === b.profile, 'and one profile')
      check(sameBytes(a.localKey, b.remoteKey) && sameBytes(a.remoteKey, b.localKey), 'and the same keys')
    }
    check(client?.type !== 'connected' || client.peerCertificate !== undefined, 'a client knows its peer')
    if (client?.type === 'connected' && !this.#tampered) {
      const { der } = CERTIFICATES.server
      check(sameBytes(client.peerCertificate!.der, der), 'and it is the right one')
    }
  }
}

function recordOf(type: number, epoch: number, sequence: number, fragment: Uint8Array): Uint8Array {
  const { length } = fragment
  const header = [type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, sequence >> 8, sequence, length >> 8, length]
  return program(...header, fragment)
}

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  runProgram(input, new World(input), MAX_OPS)
}

export function seeds(): Uint8Array[] {
  const out: Uint8Array[] = []
  for (const flags of [0, 1, 2, 7, 8, 9, 10, 15, 16, 17, 18, 24]) {
    out.push(program(flags, 0, 0, 3, 0, 0, 0, 0, 0))
    out.push(program(flags, 0, 9, 0, 0, 20, 0, 0xff, 0, 5, 0, 30, 0, 1, 4, 11))
    out.push(
      program(
        flags,
        20,
        13,
        0,
        counted(program('data')),
        13,
        1,
        counted(program('atad')),
        0,
        4,
        0,
        5,
        0,
        15,
        0,
        1,
      ),
    )
    for (let steps = 1; steps < 9; steps += 2) {
      out.push(
        program(
          flags,
          steps,
          5,
          0,
          40,
          0,
          1,
          5,
          0,
          13,
          3,
          counted(new Uint8Array(9)),
          4,
          0,
          9,
          0,
          0,
          60,
          1,
          10,
          12,
          100,
        ),
      )
      for (const [i] of TYPES.entries()) {
        if ((i + steps) % 4 === 0)
          out.push(program(flags, steps, 7, i & 1, 1, counted(new Uint8Array(40)), i, steps, 1))
      }
    }
  }
  for (const datagram of capture('packages/dtls/test/fixtures/firefox-dtls-clienthello.hex')) {
    out.push(program(0, 0, 6, 1, counted(datagram)))
  }
  return out
}
