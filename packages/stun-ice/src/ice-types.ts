import type { Instant, ReceiveInput, SocketAddress, TransmitOutput } from '@str0m/sans-io'
import type { Candidate } from './candidate.ts'
import type { CandidateProtocol } from './candidate-fields.ts'
import type { IcePath } from './ice-path.ts'

/** RFC 8445 section 5.3. */
export interface IceCredentials {
  /** 4 to 256 of the characters of RFC 8839's `ice-char`; a peer's may have `=`, `_` and `-` too. */
  readonly ufrag: string
  /** 22 to 256 of them. A secret. */
  readonly pwd: string
}

/**
 * `new`: waits for the peer's credentials. `checking`: there is no pair to send on yet. `connected`: there is one.
 * `completed`: one is nominated, the peer has no more candidates, and no check is left to do. `disconnected`: the
 * selected pair has been silent for `disconnectedTimeout`. `failed`: no pair works, until `restart`. `closed`.
 */
export type IceState = 'new' | 'checking' | 'connected' | 'completed' | 'disconnected' | 'failed' | 'closed'

/** RFC 8445 section 6.1.2.6. */
export type PairState = 'frozen' | 'waiting' | 'in-progress' | 'succeeded' | 'failed'

/** A pair to send on, RFC 8445 section 12. */
export interface IcePair extends IcePath {
  /** As the peer sees it: may be peer-reflexive. */
  readonly local: Candidate
  readonly remote: Candidate
  /** The local address to send from: the base. */
  readonly source: SocketAddress
  readonly nominated: boolean
}

export type IceEvent =
  | { readonly type: 'stateChange'; readonly state: IceState }
  /** The pair to send on is another one, or there is none any more: then nothing may be sent. */
  | { readonly type: 'selectedPair'; readonly pair: IcePair | undefined }
  /** A check of the pair has succeeded: data may come on it. */
  | { readonly type: 'candidatePairValidated'; readonly pair: IcePair }
  /** The role was in conflict with the peer's, and this side has changed its own. */
  | { readonly type: 'roleChange'; readonly controlling: boolean }
  /** A peer's candidate is a name of multicast DNS: look it up and call `resolveMdns`. */
  | { readonly type: 'resolveMdns'; readonly name: string }

export interface IceTransmit extends TransmitOutput, IcePath {
  /**
   * `tcp`: framed (`IceTcpFraming`), over the connection between the two. From a base that is passive it is one that the peer has opened, and nothing is sent where that is gone; from
   * one that is active it is opened where it is not there. RFC 6544 sections 7.1 and 11.1.
   */
  readonly proto: CandidateProtocol
  /** The base to send from. */
  readonly source: SocketAddress
}

export interface IceReceive extends ReceiveInput, IcePath {
  /** The local candidate's base that it came to, not the wildcard that a socket may be bound to; of TCP the one that accepts the connections, or that they are made from. */
  readonly destination: SocketAddress
}

/** Why a datagram was dropped. */
export type IceDropReason =
  /** No STUN message, or one with a fault. */
  | 'malformed'
  /** No Binding request or response, or a response with an attribute that has to be understood and is not. Binding indications are keepalives and no drop. */
  | 'unsupported'
  /** A request without USERNAME or message integrity. One without PRIORITY or a role is answered all the same. */
  | 'incomplete'
  /** USERNAME names no generation of this agent. */
  | 'username'
  /** MESSAGE-INTEGRITY is not that of the password. */
  | 'integrity'
  /** A response to nothing that was asked, or too late. */
  | 'transaction'
  /** A response from or to another address than the request. RFC 8445 section 7.2.5.2.1. */
  | 'asymmetric'
  /** Came to an address that is no local candidate's base. */
  | 'destination'
  /** Consent is lost on the path, or the agent has failed or is closed. */
  | 'consent'
  /** A candidate or a pair beyond the bound. */
  | 'limit'

/** In the W3C's names (Identifiers for WebRTC's Statistics API, section 8.12) where it has them. */
export interface IcePairStatistics {
  readonly pair: IcePair
  readonly state: PairState
  /** Whether data may come and go on it. */
  readonly valid: boolean
  /** Without retransmissions. */
  readonly requestsSent: number
  /** Retransmissions of them. */
  readonly retransmissionsSent: number
  readonly consentRequestsSent: number
  readonly requestsReceived: number
  readonly responsesSent: number
  readonly responsesReceived: number
  /** The last round-trip time, seconds, of a request sent once. */
  readonly currentRoundTripTime: number | undefined
  /** The sum of all of these, seconds. */
  readonly totalRoundTripTime: number
  /** When a request or a response that is the peer's last came. */
  readonly lastResponseReceivedTimestamp: Instant | undefined
}

export interface IceStatistics {
  /** Of the present generation. */
  readonly pairs: readonly IcePairStatistics[]
  readonly dropped: Readonly<Record<IceDropReason, number>>
  /** Binding indications received. */
  readonly indications: number
  /** Peer's candidates that were not taken: see `addRemoteCandidate`. */
  readonly candidatesIgnored: number
}
