import {
  encodeUtf8,
  formatSocketAddress,
  type SocketAddress,
  socketAddress,
  UsageError,
} from '@str0m/sans-io'
import { formatCandidate, parseCandidate } from './candidate-line.ts'
import { crc32 } from './crc32.ts'

/** RFC 8445 section 5.1.1, by the names of RFC 8839. */
export type CandidateType = 'host' | 'srflx' | 'prflx' | 'relay'
export type CandidateProtocol = 'udp' | 'tcp'

/** RFC 8445 section 5.1.2.2. */
const TYPE_PREFERENCE: Record<CandidateType, number> = { host: 126, prflx: 110, srflx: 100, relay: 0 }
/** RTP and all that is multiplexed with it. RFC 8445 section 13. */
const COMPONENT = 1

export interface CandidateOptions {
  /** 0 to 65535: the higher is preferred among candidates of one type. Default: by the address, IPv6 over IPv4. */
  readonly localPreference?: number
}

export interface CandidateFields {
  readonly type: CandidateType
  readonly protocol: CandidateProtocol
  readonly address: SocketAddress
  readonly priority: number
  readonly foundation: string
  readonly component: number
  readonly base: SocketAddress
  readonly relatedAddress?: SocketAddress | undefined
  readonly tcpType?: string | undefined
  readonly ufrag?: string | undefined
}

/** A transport address that a peer may be reached at, RFC 8445 section 5.1. Immutable. */
export class Candidate implements CandidateFields {
  readonly type: CandidateType
  readonly protocol: CandidateProtocol
  /** Where it is reached. In an mDNS candidate, its `address` is a name that ends in `.local`. */
  readonly address: SocketAddress
  /** 1 to 2³¹ − 1, RFC 8445 section 5.1.2. */
  readonly priority: number
  /** Equal for candidates of one type, base address and server: RFC 8445 section 5.1.1.3. */
  readonly foundation: string
  /** Always 1 for what is made here; a parsed one may have others. */
  readonly component: number
  /** What the agent sends from for this candidate. That of a host or a relayed candidate is itself. */
  readonly base: SocketAddress
  readonly relatedAddress: SocketAddress | undefined
  readonly tcpType: string | undefined
  /** The username fragment of the generation that it belongs to, where it was given. RFC 8839 section 5.1. */
  readonly ufrag: string | undefined

  /** Of fields as they are: nothing is checked. Use `host`, `serverReflexive`, `relayed` or `parse`. */
  constructor(fields: CandidateFields) {
    this.type = fields.type
    this.protocol = fields.protocol
    this.address = fields.address
    this.priority = fields.priority
    this.foundation = fields.foundation
    this.component = fields.component
    this.base = fields.base
    this.relatedAddress = fields.relatedAddress
    this.tcpType = fields.tcpType
    this.ufrag = fields.ufrag
  }

  /**
   * An address of the host's own. Throws a `UsageError`: `invalid-address`, also for the wildcard, which no peer can send to, or `invalid-protocol` for
   * one other than UDP; `invalid-option`.
   */
  static host(
    address: string | SocketAddress,
    protocol: CandidateProtocol = 'udp',
    options?: CandidateOptions,
  ): Candidate {
    if (protocol !== 'udp') throw new UsageError('invalid-protocol', 'a local candidate is of UDP')
    const own = localAddress(address)
    if (own.address === '0.0.0.0' || own.address === '::') {
      throw new UsageError(
        'invalid-address',
        `${formatSocketAddress(own)} is no address of its own: give one for each interface that the socket is bound to`,
      )
    }
    return make('host', own, own, undefined, options)
  }

  /** What a STUN server saw of `base`, a host's own address. Throws a `UsageError`: `invalid-address`, `invalid-option`. */
  static serverReflexive(
    address: string | SocketAddress,
    base: string | SocketAddress,
    options?: CandidateOptions,
  ): Candidate {
    const own = localAddress(base)
    return make('srflx', localAddress(address), own, own, options)
  }

  /**
   * An address on a TURN server. The agent sends from it: what it transmits with it as the source goes through
   * the server. `related` is the mapped address that the allocation told. Throws a `UsageError`:
   * `invalid-address`, `invalid-option`.
   */
  static relayed(
    address: string | SocketAddress,
    related: string | SocketAddress,
    options?: CandidateOptions,
  ): Candidate {
    const own = localAddress(address)
    return make('relay', own, own, socketAddress(related), options)
  }

  /**
   * Reads RFC 8839's `candidate:…`, with or without `a=` before it. `undefined` where it is none, or of a
   * type, transport or kind of address that is unknown: RFC 8839 has those ignored.
   */
  static parse(text: string): Candidate | undefined {
    const fields = parseCandidate(text)
    return fields && new Candidate(fields)
  }

  /** RFC 8839's value: `candidate:…`, without `a=`. */
  toString(): string {
    return formatCandidate(this)
  }

  /** What `RTCIceCandidate.toJSON` has as `candidate`. */
  toJSON(): string {
    return this.toString()
  }

  /** Whether the address is a name that only multicast DNS resolves. */
  get isMdns(): boolean {
    return this.address.address.endsWith('.local')
  }

  /**
   * The same candidate as a description of the ICE session with the username fragment `ufrag` has it: with a foundation of that session alone. An agent may
   * keep its candidates over a restart (RFC 8445 section 9), but Asterisk takes an offer for no restart where it has seen all of them, by foundation and address, and then
   * goes on with the old credentials while its answer has new ones. A foundation is an arbitrary string (section 5.1.1.3).
   */
  ofSession(ufrag: string): Candidate {
    const foundation = String(crc32(encodeUtf8(`${this.foundation} ${ufrag}`)))
    return new Candidate(Object.assign({}, this, { foundation }))
  }

  /** The same candidate at another address: that of an mDNS name. Throws a `UsageError` (`invalid-address`). */
  withAddress(address: string): Candidate {
    const resolved = socketAddress({ address, port: this.address.port })
    return new Candidate(Object.assign({}, this, { address: resolved, base: resolved }))
  }
}

/** A candidate learned from a check: RFC 8445 sections 7.2.5.3.1 and 7.3.1.3. */
export function peerReflexive(
  address: SocketAddress,
  base: SocketAddress,
  priority: number,
  ufrag?: string,
): Candidate {
  const foundation = foundationOf('prflx', address)
  const fields = { type: 'prflx', protocol: 'udp', address, base, priority, foundation, ufrag } as const
  return new Candidate({ ...fields, component: COMPONENT })
}

/** What a check from `local` says in PRIORITY: as if it were peer-reflexive. RFC 8445 section 7.1.1. */
export function peerReflexivePriority(local: Candidate): number {
  return TYPE_PREFERENCE.prflx * 2 ** 24 + (local.priority % 2 ** 24)
}

function make(
  type: CandidateType,
  address: SocketAddress,
  base: SocketAddress,
  relatedAddress: SocketAddress | undefined,
  options: CandidateOptions = {},
): Candidate {
  const preference = options.localPreference ?? defaultPreference(base)
  if (!Number.isInteger(preference) || preference < 0 || preference > 65_535) {
    throw new UsageError('invalid-option', `localPreference is an integer from 0 to 65535, not ${preference}`)
  }
  // RFC 8445 section 5.1.2.1
  const priority = TYPE_PREFERENCE[type] * 2 ** 24 + preference * 2 ** 8 + (256 - COMPONENT)
  const foundation = foundationOf(type, base)
  return new Candidate({
    type,
    protocol: 'udp',
    address,
    base,
    priority,
    foundation,
    relatedAddress,
    component: COMPONENT,
  })
}

/** The port 0 is none to be reached at. */
export function localAddress(from: string | SocketAddress): SocketAddress {
  const address = socketAddress(from)
  if (address.port === 0) {
    throw new UsageError(
      'invalid-address',
      `${formatSocketAddress(address)} has no port: bind the socket first`,
    )
  }
  return address
}

/**
 * IPv6 over IPv4 (RFC 8421 section 4), both over loopback and link-local. The low bits are drawn from the
 * address, so that two candidates of one type have different priorities: RFC 8445 section 5.1.2.1.
 */
function defaultPreference(base: SocketAddress): number {
  const { address } = base
  const isLocal = /^(127\.|169\.254\.|::1$|fe[89ab])/i.test(address)
  const rank = isLocal ? 1 : address.includes(':') ? 3 : 2
  return (rank << 14) | (crc32(encodeUtf8(formatSocketAddress(base))) & 0x3fff)
}

function foundationOf(type: CandidateType, base: SocketAddress): string {
  return String(crc32(encodeUtf8(`${type} udp ${base.address}`)))
}
