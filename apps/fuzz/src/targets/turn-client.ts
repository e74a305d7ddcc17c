import { type Instant, type SocketAddress, writeU16, writeU32 } from '@str0m/sans-io'
import {
  parseStun,
  type StunMessage,
  TurnClient,
  type TurnEvent,
  TurnFraming,
  type TurnTransmit,
  writeStun,
} from '@str0m/stun-ice'
import { check, drain, type Drained, sameBytes, wake } from '../check.ts'
import { fuzzCrypto } from '../crypto.ts'
import { counted, FuzzInput, program, runProgram, type World } from '../input.ts'

// A TURN client, and a server that knows the password: genuine answers in any order, with any attributes, and what is forged.

const SERVER = { address: '198.51.100.1', port: 3478 }
const BASE = { address: '192.0.2.1', port: 5000 }
const RELAYED = { address: '198.51.100.1', port: 50_000 }
const [USERNAME, PASSWORD, REALM] = ['user', 'pass', 'realm']
/** 200 operations, each of which sends eight datagrams, or wakes what is due for 256 peers, at most. */
const MAX_TRANSMITS = 10_000

const crypto = fuzzCrypto(3)
const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value))
const secret = text(`${USERNAME}:${REALM}:${PASSWORD}`)
const SHA1 = crypto.hmac('sha1', crypto.hash('md5', secret))
const SHA256 = crypto.hmac('sha256', crypto.hash('sha256', secret))
/** SHA-256, then MD5. */
const ALGORITHMS = Uint8Array.of(0, 2, 0, 0, 0, 1, 0, 0)
const NONCES = ['nonce', 'obMatJos2gAAAnonce', 'obMatJos2wAAAnonce', 'obMatJos2']
const CODES = [300, 400, 401, 403, 437, 438, 441, 443, 486, 508]

function xored({ port }: SocketAddress): Uint8Array {
  const value = Uint8Array.of(0, 1, 0, 0, 198 ^ 0x21, 51 ^ 0x12, 100 ^ 0xa4, 1 ^ 0x42)
  writeU16(value, 2, port ^ 0x2112)
  return value
}

class TurnWorld implements World {
  readonly #input: FuzzInput
  readonly #client: TurnClient
  readonly #framing = new TurnFraming()
  #now: Instant = 0
  /** Requests that were not answered yet, the newest last. */
  readonly #asked: Uint8Array[] = []
  #nonce = 0
  #isModern = false
  #ended = 0
  #transmits = 0

  constructor(input: FuzzInput) {
    this.#input = input
    const choice = input.u8()
    const proto = (choice & 1) === 0 ? 'udp' : 'tcp'
    const family = ([4, 4, 6, 'both'] as const)[(choice >> 1) & 3]!
    const options = {
      server: SERVER,
      base: BASE,
      username: USERNAME,
      password: PASSWORD,
      proto,
      family,
    } as const
    this.#client = new TurnClient({ ...options, crypto: fuzzCrypto(5) })
    this.#take(wake(this.#client, 0))
  }

  step(): void {
    const op = this.#input.u8()
    switch (op % 8) {
      case 0:
        this.#now += this.#input.u16() * (op < 128 ? 1 : 60)
        return this.#take(wake(this.#client, this.#now))
      case 1:
        return this.#relay()
      case 2:
        return this.#answer('success')
      case 3:
        return this.#answer('error')
      case 4:
        return this.#challenge()
      case 5:
        return this.#give(this.#input.bytes())
      case 6: {
        const contents = this.#input.bytes()
        for (const message of this.#framing.read(contents)) this.#give(message)
        return
      }
      default:
        if (op === 255) this.#client.close()
        else if (op < 64) this.#channelData()
        else this.#indication()
        return this.#take(drain(this.#client))
    }
  }

  finish(): void {
    this.#client.close()
    this.#take(drain(this.#client))
    for (let { at } = drain(this.#client); Number.isFinite(at); { at } = drain(this.#client)) {
      this.#now = Math.max(this.#now, at)
      this.#take(wake(this.#client, this.#now))
    }
    check(this.#ended === 1, 'it ends once')
    check(this.#client.state === 'ended', 'it is over')
    const { statistics } = this.#client
    check(statistics.requestsSent >= statistics.retransmissionsSent, 'requests are counted')
  }

  #take({ transmits, events }: Drained<TurnEvent, TurnTransmit>): void {
    for (const { contents, destination } of transmits) {
      check(this.#ended === 0, 'nothing is sent after the end')
      check(destination.port !== 0, 'it is sent to somewhere')
      this.#transmits++
      const message = parseStun(contents)
      if (typeof message !== 'string' && message.class === 'request') {
        this.#asked.push(contents)
        if (this.#asked.length > 16) this.#asked.shift()
      }
    }
    check(this.#transmits < MAX_TRANSMITS, 'there is an end to what is sent')
    for (const event of events) {
      check(this.#ended === 0, 'nothing is told after the end')
      if (event.type === 'ended') this.#ended++
      if (event.type === 'datagram') {
        check(this.#client.state === 'allocated', 'data comes to an allocation')
        check(event.contents.length <= 65_535, 'a datagram is one')
      }
    }
  }

  #give(contents: Uint8Array, source: SocketAddress = this.#client.server): void {
    const { state } = this.#client
    const kept = contents.slice()
    this.#client.handleInput({ kind: 'receive', now: this.#now, source, contents })
    check(sameBytes(kept, contents), 'what comes is not changed')
    this.#take(drain(this.#client))
    check(state !== 'ended' || this.#client.state === 'ended', 'the end is one')
  }

  #relay(): void {
    const choice = this.#input.u8()
    const destination = { address: `203.0.113.${choice & 7}`, port: 6000 + ((choice >> 3) & 3) }
    const source = this.#client.relayedAddresses[0] ?? RELAYED
    for (let i = choice >> 5; i >= 0; i--) {
      const isTaken = this.#client.relay({ source, destination, contents: new Uint8Array(choice) })
      check(isTaken === this.#client.relayedAddresses.length > 0, 'what is from the relayed address is taken')
    }
    this.#take(drain(this.#client))
  }

  /** Of one of the last requests; `undefined` where there is none. */
  #pick(): { bytes: Uint8Array; method: number; transactionId: Uint8Array } | undefined {
    const bytes = this.#asked[this.#asked.length - 1 - (this.#input.u8() & 15)] ?? this.#asked.at(-1)
    if (bytes === undefined) return undefined
    const message = parseStun(bytes)
    check(typeof message !== 'string', 'a request can be read')
    return { bytes, method: message.method, transactionId: message.transactionId }
  }

  #write(fields: Partial<StunMessage>, isSigned: boolean): void {
    const request = this.#pick()
    if (request === undefined) return
    const { method, transactionId } = request
    const message = { class: 'success', method, transactionId, ...fields } as const
    const contents = writeStun(message, isSigned ? { integrity: this.#isModern ? SHA256 : SHA1 } : {})
    const flip = this.#input.u8()
    if (flip >= 240) contents[this.#input.u8() % contents.length]! ^= 1 << (flip & 7)
    this.#give(contents)
  }

  #answer(kind: 'success' | 'error'): void {
    const choice = this.#input.u8()
    const isSigned = choice < 224
    if (kind === 'error') {
      const errorCode = { code: CODES[choice % CODES.length]!, reason: '' }
      const alternateServer = { address: `198.51.100.${2 + (choice & 7)}`, port: 3478 }
      return this.#write({ class: 'error', errorCode, alternateServer }, isSigned)
    }
    const lifetime = new Uint8Array(4)
    writeU32(lifetime, 0, (choice & 3) === 0 ? this.#input.u16() : 600)
    const others = [
      { type: 0x16, value: xored(RELAYED) },
      { type: 0x0d, value: lifetime },
    ]
    if ((choice & 12) === 12) others.push({ type: this.#input.u8(), value: this.#input.bytes() })
    this.#write({ xorMappedAddress: BASE, others }, isSigned)
  }

  #challenge(): void {
    const choice = this.#input.u8()
    const nonce = `${NONCES[choice & 3]}${this.#nonce++}`
    const others = (choice & 4) === 0 ? [] : [{ type: 0x8002, value: ALGORITHMS }]
    const realm = (choice & 8) === 0 ? REALM : `realm ${choice}`
    const errorCode = { code: (choice & 16) === 0 ? 401 : 438, reason: '' }
    const { requestsSent } = this.#client.statistics
    this.#write({ class: 'error', errorCode, realm, nonce, others }, false)
    if (this.#client.statistics.requestsSent > requestsSent) this.#isModern = others.length > 0
  }

  #channelData(): void {
    const data = this.#input.bytes()
    const contents = new Uint8Array(4 + data.length)
    writeU16(contents, 0, 0x4000 + (this.#input.u8() & 7))
    writeU16(contents, 2, this.#input.u8() >= 250 ? this.#input.u16() : data.length)
    contents.set(data, 4)
    this.#give(contents)
  }

  #indication(): void {
    const attributes = this.#input.bytes()
    const contents = new Uint8Array(32 + 4 * Math.ceil(attributes.length / 4))
    writeU16(contents, 0, 0x0017)
    writeU16(contents, 2, contents.length - 20)
    writeU32(contents, 4, 0x2112_a442)
    const host = this.#input.u8() & 7
    contents.set([0, 0x12, 0, 8, 0, 1, 0x36, 0x62, 203 ^ 0x21, 0 ^ 0x12, 113 ^ 0xa4, host ^ 0x42], 20)
    contents.set(attributes, 32)
    this.#give(contents)
  }
}

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  runProgram(input, new TurnWorld(input), 200)
}

export function seeds(): Uint8Array[] {
  const data = Uint8Array.of(0, 0x13, 0, 4, 1, 2, 3, 4)
  const allocated = [4, 0, 0, 0, 2, 3, 0, 0]
  const relayed = [1, 0xe1, 0, 0, 5, 2, 1, 0, 0, 1, 0xe1, 0, 0, 5, 2, 1, 0, 0, 1, 0xe1]
  return [
    program(0, ...allocated, ...relayed, 7, counted(data), 0, 0, 71, counted(data), 1),
    program(0, 4, 6, 0, 0, 2, 3, 0, 0, ...relayed, 128, 0, 8, 2, 1, 0, 0, 255),
    program(6, ...allocated, ...relayed, 3, 4, 0, 0),
    program(1, 3, 0, 0, 0, 4, 16, 0, 0, 2, 3, 0, 0),
    program(0, 3, 0, 0, 0, ...allocated, 3, 5, 0, 0, 6, counted(data), 5, counted(data)),
  ]
}
