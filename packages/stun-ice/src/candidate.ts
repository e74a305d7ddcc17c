import {
  encodeUtf8,
  formatSocketAddress,
  type SocketAddress,
  socketAddress,
  UsageError,
} from '@str0m/sans-io'
import type { CandidateFields, CandidateProtocol, CandidateType, TcpType } from './candidate-fields.ts'
import { formatCandidate, parseCandidate } from './candidate-line.ts'
import { crc32 } from './crc32.ts'

/** RFC 8445 section 5.1.2.2; of TCP below all of UDP that goes by no relay, as RFC 6544 section 4.2 recommends it for RTP. */
const TYPE_PREFERENCE: Record<CandidateProtocol, Record<CandidateType, number>> = {
  udp: { host: 126, prflx: 110, srflx: 100, relay: 0 },
  tcp: { host: 90, prflx: 80, srflx: 70, relay: 0 },
}
/** RFC 6544 section 4.2, of host candidates. */
const DIRECTION_PREFERENCE: Record<TcpType, number> = { active: 6, passive: 4, so: 2 }
/** RTP and all that is multiplexed with it. RFC 8445 section 13. */
const COMPONENT = 1

export interface CandidateOptions {
  /** 0 to 65535: the higher is preferred among candidates of one type. Default: by the address, IPv6 over IPv4. */
  readonly localPreference?: number
  /** Of a host candidate of TCP: `passive`, the default, is listened at; from `active` connections are made. */
  readonly tcpType?: Exclude<TcpType, 'so'>
}

/** What a candidate of ours is made of. */
type Origin = Omit<CandidateFields, 'priority' | 'foundation' | 'component' | 'ufrag'>

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
  readonly tcpType: TcpType | undefined
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
   * An address of the host's own. Of TCP (RFC 6544) it is where connections are accepted; or, with `tcpType: 'active'`, the address that they are made from, each from a port of its
   * own: that of the candidate is 9 then (section 4.5). Throws a `UsageError`: `invalid-address`, also for the wildcard, which no peer can send to, `invalid-protocol`;
   * `invalid-option`.
   */
  static host(
    address: string | SocketAddress,
    protocol: CandidateProtocol = 'udp',
    options?: CandidateOptions,
  ): Candidate {
    if (protocol !== 'udp' && protocol !== 'tcp')
      throw new UsageError('invalid-protocol', `a candidate is of udp or tcp, not of ${String(protocol)}`)
    const own = localAddress(address)
    if (own.address === '0.0.0.0' || own.address === '::') {
      throw new UsageError(
        'invalid-address',
        `${formatSocketAddress(own)} is no address of its own: give one for each interface that the socket is bound to`,
      )
    }
    if (protocol === 'udp') return make({ type: 'host', protocol, address: own, base: own }, options)
    const tcpType = options?.tcpType ?? 'passive'
    if (tcpType !== 'passive' && tcpType !== 'active')
      throw new UsageError('invalid-option', `tcpType is active or passive, not ${String(tcpType)}`)
    return make({ type: 'host', protocol, address: own, base: own, tcpType }, options)
  }

  /** What a STUN server saw of `base`, a host's own address. Throws a `UsageError`: `invalid-address`, `invalid-option`. */
  static serverReflexive(
    address: string | SocketAddress,
    base: string | SocketAddress,
    options?: CandidateOptions,
  ): Candidate {
    const own = localAddress(base)
    const seen = localAddress(address)
    return make({ type: 'srflx', protocol: 'udp', address: seen, base: own, relatedAddress: own }, options)
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
    const relatedAddress = socketAddress(related)
    return make({ type: 'relay', protocol: 'udp', address: own, base: own, relatedAddress }, options)
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

/** A candidate learned from a check: RFC 8445 sections 7.2.5.3.1 and 7.3.1.3. Of TCP it is of the side that has opened the connection. */
export function peerReflexive(
  protocol: CandidateProtocol,
  address: SocketAddress,
  base: SocketAddress,
  priority: number,
  ufrag?: string,
): Candidate {
  const type = 'prflx'
  const tcpType = protocol === 'tcp' ? 'active' : undefined
  const foundation = foundationOf(type, protocol, address)
  return new Candidate({
    type,
    protocol,
    address,
    base,
    priority,
    foundation,
    ufrag,
    tcpType,
    component: COMPONENT,
  })
}

/** What a check from `local` says in PRIORITY: as if it were peer-reflexive. RFC 8445 section 7.1.1. */
export function peerReflexivePriority(local: Candidate): number {
  return TYPE_PREFERENCE[local.protocol].prflx * 2 ** 24 + (local.priority % 2 ** 24)
}

function make(origin: Origin, options: CandidateOptions = {}): Candidate {
  const { type, protocol, base, tcpType } = origin
  const preference = options.localPreference ?? defaultPreference(base, tcpType)
  if (!Number.isInteger(preference) || preference < 0 || preference > 65_535) {
    throw new UsageError('invalid-option', `localPreference is an integer from 0 to 65535, not ${preference}`)
  }
  // RFC 8445 section 5.1.2.1
  const priority = TYPE_PREFERENCE[protocol][type] * 2 ** 24 + preference * 2 ** 8 + (256 - COMPONENT)
  const foundation = foundationOf(type, protocol, base)
  const { address, relatedAddress } = origin
  return new Candidate({
    type,
    protocol,
    address,
    base,
    relatedAddress,
    tcpType,
    priority,
    foundation,
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
 * address, so that two candidates of one type have different priorities: RFC 8445 section 5.1.2.1. Of TCP the direction counts more: RFC 6544 section 4.2.
 */
function defaultPreference(base: SocketAddress, tcpType: TcpType | undefined): number {
  const { address } = base
  const isLocal = /^(127\.|169\.254\.|::1$|fe[89ab])/i.test(address)
  const rank = isLocal ? 1 : address.includes(':') ? 3 : 2
  const preference = (rank << 14) | (crc32(encodeUtf8(formatSocketAddress(base))) & 0x3fff)
  return tcpType === undefined ? preference : (DIRECTION_PREFERENCE[tcpType] << 13) | (preference >>> 3)
}

function foundationOf(type: CandidateType, protocol: CandidateProtocol, base: SocketAddress): string {
  return String(crc32(encodeUtf8(`${type} ${protocol} ${base.address}`)))
}
