import { type CryptoProvider, type Hmac, nativeCrypto } from '@str0m/crypto'
import type { Datagram } from '@str0m/netem'
import {
  ByteReader,
  ByteWriter,
  decodeUtf8,
  encodeUtf8,
  formatSocketAddress,
  type Instant,
  type Machine,
  type Output,
  OutputQueue,
  readU16,
  readU32,
  type ReceiveInput,
  sameSocketAddress,
  type SocketAddress,
  type TimeoutInput,
  toBase64,
  toHex,
} from '@str0m/sans-io'
import {
  isStun,
  parseStun,
  type ReceivedStun,
  type StunAttribute,
  type StunMessage,
  verifyStunIntegrity,
  writeStun,
} from '../src/index.ts'
import { encodeAddress, readAddress } from '../src/stun-address.ts'

// A TURN server for tests, RFC 8656: UDP, long-term credentials, one relayed address of each family. It reads and writes its attributes by itself.

export interface TurnServerOptions {
  readonly address: SocketAddress
  readonly username: string
  readonly password: string
  readonly realm?: string
  /** RFC 8489 section 9.2: PASSWORD-ALGORITHMS with SHA-256 and MD5, and USERHASH. */
  readonly modern?: boolean
  /** A nonce is stale after this, ms. */
  readonly nonceLifetime?: number
  /** Most that it gives, seconds. Default 3600. */
  readonly maxLifetime?: number
  /** What it gives where less is asked for, seconds. Default 600. */
  readonly defaultLifetime?: number
  /** An address of its own of IPv6 to relay from. */
  readonly ipv6?: string
  readonly firstPort?: number
}

interface Allocation {
  readonly client: SocketAddress
  readonly relayed: readonly SocketAddress[]
  readonly transactionId: string
  readonly username: string
  expiresAt: Instant
  readonly permissions: Map<string, Instant>
  readonly channels: Map<number, { peer: SocketAddress; expiresAt: Instant }>
  /** By the peer: until when neither may be bound otherwise. */
  readonly bindings: Map<string, { number: number; until: Instant }>
}

type Receive = ReceiveInput & { readonly source: SocketAddress; readonly destination: SocketAddress }

const PERMISSION_LIFETIME = 300_000
const CHANNEL_LIFETIME = 600_000
const COOKIE = 'obMatJos2'

export class TurnServer implements Machine<never, Datagram, TimeoutInput | Receive> {
  readonly #options: TurnServerOptions
  readonly #crypto: CryptoProvider = nativeCrypto()
  readonly #outputs = new OutputQueue<Output<never, Datagram>>()
  readonly #nonces = new Map<string, Instant>()
  #allocations: Allocation[] = []
  #now: Instant = 0
  #nextPort: number
  #nonceCount = 0
  /** Of what it was asked: the method and the class or the error of its answer. */
  readonly log: string[] = []
  /** Peers that it gives no permission for. */
  readonly denied = new Set<string>()
  /** An error for each request of a method, after it was authenticated. */
  readonly errors = new Map<number, number>()
  /** Where it sends those that want to allocate, before it asks for credentials. */
  alternate: SocketAddress | undefined
  /** Answers nothing, and relays nothing. */
  silent = false
  /** Takes any realm. */
  lenient = false
  /** Changes what it answers, before that is authenticated. */
  mangle: ((response: StunMessage) => StunMessage) | undefined
  channelDataReceived = 0
  sendIndicationsReceived = 0
  /** Of data that was not relayed: no permission or no channel. */
  refusedData = 0
  /** Bindings asked for that RFC 8656 section 12 forbids. */
  badBindings = 0

  constructor(options: TurnServerOptions) {
    this.#options = options
    this.#nextPort = options.firstPort ?? 50_000
  }

  get allocations(): number {
    this.#expire()
    return this.#allocations.length
  }

  /** All addresses of its host. */
  get addresses(): string[] {
    const { address, ipv6 } = this.#options
    return ipv6 === undefined ? [address.address] : [address.address, ipv6]
  }

  /** Forgets everything. */
  restart(): void {
    this.#allocations = []
    this.#nonces.clear()
  }

  handleInput(input: TimeoutInput | Receive): void {
    this.#now = Math.max(this.#now, input.now)
    if (input.kind !== 'receive' || this.silent) return
    this.#expire()
    const { contents, source, destination } = input
    if (!sameSocketAddress(destination, this.#options.address))
      return this.#fromPeer(contents, source, destination)
    if (contents[0]! >>> 4 === 4) return this.#channelData(contents, source)
    if (!isStun(contents)) return
    const message = parseStun(contents)
    if (typeof message === 'string') throw new Error(`the client has sent what is ${message}`)
    const attributes = attributesOf(contents)
    if (message.class === 'indication') this.#send(message, attributes, source)
    else this.#request(message, attributes, source)
  }

  pollOutput(): Output<never, Datagram> {
    return this.#outputs.shift() ?? { kind: 'timeout', at: Infinity }
  }

  #expire(): void {
    this.#allocations = this.#allocations.filter(({ expiresAt }) => expiresAt > this.#now)
  }

  #transmit(source: SocketAddress, destination: SocketAddress, contents: Uint8Array): void {
    this.#outputs.push({ kind: 'transmit', source, destination, contents })
  }

  #of(client: SocketAddress): Allocation | undefined {
    return this.#allocations.find((allocation) => sameSocketAddress(allocation.client, client))
  }

  // --- data

  #fromPeer(contents: Uint8Array, source: SocketAddress, destination: SocketAddress): void {
    const allocation = this.#allocations.find(({ relayed }) =>
      relayed.some((address) => sameSocketAddress(address, destination)),
    )
    if (allocation === undefined) return
    if (!this.#isPermitted(allocation, source)) {
      this.refusedData++
      return
    }
    const { address } = this.#options
    for (const [number, { peer, expiresAt }] of allocation.channels) {
      if (!sameSocketAddress(peer, source) || expiresAt <= this.#now) continue
      const message = new ByteWriter().u16(number).u16(contents.length).bytes(contents).finish()
      return this.#transmit(address, allocation.client, message)
    }
    const transactionId = this.#crypto.randomBytes(12)
    const others = [
      { type: 0x12, value: encodeAddress(source, transactionId) },
      { type: 0x13, value: contents },
    ]
    const writer = new ByteWriter()
    for (const { type, value } of others) {
      writer
        .u16(type)
        .u16(value.length)
        .bytes(value)
        .zeros(-value.length & 3)
    }
    const body = writer.finish()
    const head = new ByteWriter().u16(0x17).u16(body.length).u32(0x2112_a442).bytes(transactionId)
    this.#transmit(address, allocation.client, head.bytes(body).finish())
  }

  #relay(allocation: Allocation, peer: SocketAddress, data: Uint8Array): void {
    const isIpv6 = peer.address.includes(':')
    const source = allocation.relayed.find(({ address }) => address.includes(':') === isIpv6)
    if (source === undefined || !this.#isPermitted(allocation, peer)) this.refusedData++
    else this.#transmit(source, peer, data.slice())
  }

  #isPermitted(allocation: Allocation, { address }: SocketAddress): boolean {
    return (allocation.permissions.get(address) ?? 0) > this.#now
  }

  #send(message: ReceivedStun, attributes: Map<number, Uint8Array>, source: SocketAddress): void {
    if (message.method !== 6) throw new Error(`an indication of method ${message.method}`)
    this.sendIndicationsReceived++
    const allocation = this.#of(source)
    const peer = readAddress(attributes.get(0x12)!, message.transactionId)
    if (allocation === undefined || peer === undefined) this.refusedData++
    else this.#relay(allocation, peer, attributes.get(0x13)!)
  }

  #channelData(contents: Uint8Array, source: SocketAddress): void {
    this.channelDataReceived++
    const allocation = this.#of(source)
    const channel = allocation?.channels.get(readU16(contents, 0))
    if (allocation === undefined || channel === undefined || channel.expiresAt <= this.#now)
      this.refusedData++
    else this.#relay(allocation, channel.peer, contents.subarray(4, 4 + readU16(contents, 2)))
  }

  // --- requests

  #request(message: ReceivedStun, attributes: Map<number, Uint8Array>, source: SocketAddress): void {
    const { realm = 'test' } = this.#options
    if (message.method === 3 && this.alternate !== undefined) {
      const errorCode = { code: 300, reason: 'Try Alternate' }
      return this.#answer(message, source, { errorCode, alternateServer: this.alternate })
    }
    const hmac = this.#hmac(attributes)
    const nonce = attributes.get(0x15)
    if (nonce === undefined || hmac === undefined || !verifyStunIntegrity(message, hmac)) {
      return this.#challenge(message, source, 401)
    }
    const issuedAt = this.#nonces.get(decodeUtf8(nonce))
    const { nonceLifetime = Infinity } = this.#options
    if (issuedAt === undefined || this.#now - issuedAt > nonceLifetime)
      return this.#challenge(message, source, 438)
    if (!this.lenient && decodeUtf8(attributes.get(0x14)!) !== realm)
      throw new Error('the realm is another one')
    const given = this.errors.get(message.method)
    if (given === 401 || given === 438) return this.#challenge(message, source, given)
    const code = given ?? this.#do(message, attributes, source, hmac)
    if (code !== 0) this.#answer(message, source, { errorCode: { code, reason: '' } }, hmac)
  }

  #hmac(attributes: Map<number, Uint8Array>): Hmac | undefined {
    const { username, password, realm = 'test', modern = false } = this.#options
    const secret = encodeUtf8(`${username}:${realm}:${password}`)
    const userhash = toHex(this.#crypto.hash('sha256', encodeUtf8(`${username}:${realm}`)))
    if (modern) {
      const isKnown = toHex(attributes.get(0x1e) ?? new Uint8Array(0)) === userhash
      const isWhole = toHex(attributes.get(0x8002) ?? new Uint8Array(0)) === toHex(ALGORITHMS)
      const isSha256 = readU16(attributes.get(0x1d) ?? new Uint8Array(4), 0) === 2
      if (!isKnown || !isWhole || !isSha256) return undefined
      return this.#crypto.hmac('sha256', this.#crypto.hash('sha256', secret))
    }
    if (decodeUtf8(attributes.get(6) ?? new Uint8Array(0)) !== username) return undefined
    return this.#crypto.hmac('sha1', this.#crypto.hash('md5', secret))
  }

  #challenge(message: ReceivedStun, source: SocketAddress, code: number): void {
    const { realm = 'test', modern = false } = this.#options
    const features = modern ? COOKIE + toBase64(Uint8Array.of(0xc0, 0, 0)) : ''
    const nonce = `${features}${this.#nonceCount++}-nonce`
    this.#nonces.set(nonce, this.#now)
    const others = modern ? [{ type: 0x8002, value: ALGORITHMS }] : []
    this.#answer(message, source, { errorCode: { code, reason: '' }, realm, nonce, others })
  }

  #answer(
    { method, transactionId }: ReceivedStun,
    destination: SocketAddress,
    fields: Partial<StunMessage>,
    integrity?: Hmac,
  ): void {
    const kind = fields.errorCode === undefined ? 'success' : 'error'
    this.log.push(`${METHODS[method]} ${fields.errorCode?.code ?? 'success'}`)
    const response = { class: kind, method, transactionId, ...fields } as const
    const mangled = this.mangle?.(response) ?? response
    this.#transmit(this.#options.address, destination, writeStun(mangled, { integrity }))
  }

  /** Does what is asked; 0, or the code of the error. */
  #do(message: ReceivedStun, attributes: Map<number, Uint8Array>, source: SocketAddress, hmac: Hmac): number {
    const { transactionId } = message
    if (message.method === 3) return this.#allocate(message, attributes, source, hmac)
    const allocation = this.#of(source)
    if (allocation === undefined) return 437
    const others: StunAttribute[] = []
    if (message.method === 4) {
      const lifetime = this.#lifetime(attributes)
      allocation.expiresAt = this.#now + lifetime * 1000
      others.push({ type: 0x0d, value: new ByteWriter().u32(lifetime).finish() })
    } else {
      const peer = readAddress(attributes.get(0x12)!, transactionId)!
      if (this.denied.has(peer.address)) return 403
      if (!allocation.relayed.some(({ address }) => address.includes(':') === peer.address.includes(':')))
        return 443
      if (message.method === 9 && !this.#bind(allocation, readU16(attributes.get(0x0c)!, 0), peer)) return 400
      allocation.permissions.set(peer.address, this.#now + PERMISSION_LIFETIME)
    }
    this.#answer(message, source, { others }, hmac)
    return 0
  }

  #allocate(
    message: ReceivedStun,
    attributes: Map<number, Uint8Array>,
    source: SocketAddress,
    hmac: Hmac,
  ): number {
    const { address, ipv6, username } = this.#options
    const transactionId = toHex(message.transactionId)
    if (attributes.get(0x19)?.[0] !== 17) return 400
    let allocation = this.#of(source)
    if (allocation !== undefined && allocation.transactionId !== transactionId) return 437
    const lifetime = this.#lifetime(attributes)
    if (allocation === undefined) {
      const hosts: string[] = []
      if (attributes.get(0x17)?.[0] !== 2) hosts.push(address.address)
      if (attributes.has(0x17) || attributes.has(0x8000)) {
        if (ipv6 !== undefined) hosts.push(ipv6)
        else if (attributes.has(0x17)) return 440
      }
      const relayed = hosts.map((host) => ({ address: host, port: this.#nextPort++ }))
      const expiresAt = this.#now + lifetime * 1000
      allocation = {
        client: source,
        relayed,
        transactionId,
        username,
        expiresAt,
        permissions: new Map(),
        channels: new Map(),
        bindings: new Map(),
      }
      this.#allocations.push(allocation)
    }
    const others = allocation.relayed.map((relayed) => ({
      type: 0x16,
      value: encodeAddress(relayed, message.transactionId),
    }))
    others.push({ type: 0x0d, value: new Uint8Array(new ByteWriter().u32(lifetime).finish()) })
    this.#answer(message, source, { xorMappedAddress: source, others }, hmac)
    return 0
  }

  #lifetime(attributes: Map<number, Uint8Array>): number {
    const { maxLifetime = 3600, defaultLifetime = 600 } = this.#options
    const value = attributes.get(0x0d)
    const asked = value === undefined ? defaultLifetime : readU32(value, 0)
    return asked === 0 ? 0 : Math.min(maxLifetime, Math.max(asked, defaultLifetime))
  }

  #bind(allocation: Allocation, number: number, peer: SocketAddress): boolean {
    if (number < 0x4000 || number > 0x4fff) return false
    for (const [other, channel] of allocation.channels) {
      const isSame = sameSocketAddress(channel.peer, peer)
      if (channel.expiresAt > this.#now && isSame !== (other === number)) return false
    }
    // neither the number nor the peer may be bound otherwise for five minutes more
    const until = this.#now + CHANNEL_LIFETIME + 300_000
    for (const [key, before] of allocation.bindings) {
      if (before.until <= this.#now) continue
      if ((key === formatSocketAddress(peer)) !== (before.number === number)) this.badBindings++
    }
    allocation.bindings.set(formatSocketAddress(peer), { number, until })
    allocation.channels.set(number, { peer, expiresAt: this.#now + CHANNEL_LIFETIME })
    return true
  }
}

const METHODS: Record<number, string> = {
  1: 'binding',
  3: 'allocate',
  4: 'refresh',
  8: 'permission',
  9: 'channel',
}

/** SHA-256, then MD5. */
const ALGORITHMS = Uint8Array.of(0, 2, 0, 0, 0, 1, 0, 0)

/** The first value of each type. */
function attributesOf(bytes: Uint8Array): Map<number, Uint8Array> {
  const attributes = new Map<number, Uint8Array>()
  const reader = new ByteReader(bytes, 20)
  while (reader.remaining > 0) {
    const type = reader.u16()
    const length = reader.u16()
    if (!attributes.has(type)) attributes.set(type, reader.view(length))
    else reader.skip(length)
    reader.skip(-length & 3)
  }
  return attributes
}
