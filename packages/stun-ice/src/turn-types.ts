import type { CryptoProvider } from '@str0m/crypto'
import type { Instant, ReceiveInput, SocketAddress, TransmitOutput } from '@str0m/sans-io'
import type { Candidate } from './candidate.ts'
import type { CandidateProtocol } from './candidate-fields.ts'
import type { IcePath } from './ice-path.ts'
import type { IceReceive, IceTransmit } from './ice-types.ts'

export interface TurnClientOptions {
  /** The server's address. Its name is yours to look up. */
  readonly server: string | SocketAddress
  /** The local address to send from, over UDP with the port that it is bound to. */
  readonly base: string | SocketAddress
  /** 1 to 508 bytes of UTF-8. */
  readonly username: string
  /** A secret, not empty. */
  readonly password: string
  /** To the server: TCP also where that is under TLS. Default `udp`. To the peers it is always UDP. */
  readonly proto?: CandidateProtocol
  /** Of the relayed address: IPv4, IPv6, or one of each where the server has both. Default 4. */
  readonly family?: 4 | 6 | 'both'
  /** Lifetime to ask for, ms: 60000 to 3600000, and 600000 by default. Servers give 600000 or more. RFC 8656 section 7.2. */
  readonly lifetime?: number
  /** Default: `defaultCrypto()`. */
  readonly crypto?: CryptoProvider
}

/**
 * `new`: nothing is sent yet. `allocating`: asks for a relayed address. `allocated`: has one. `releasing`: gives it back. `ended`: nothing is sent any more.
 */
export type TurnState = 'new' | 'allocating' | 'allocated' | 'releasing' | 'ended'

/**
 * Why it has ended. `released`: by `close`. `timeout`: the server does not answer. `integrity`: it answers, and nothing that can be verified. `credentials`:
 * it does not take them, or asks for what this client does not do. `refused`: an error of the code. `redirected`: to a server that is not followed.
 * `mismatch`: of 437, the server has an allocation where there is to be none, or none where there was one, as after its restart. `expired`: the
 * allocation could not be refreshed in time. `invalid-response`: an answer that is verified, and has no address that was asked for.
 */
export type TurnEndReason =
  | 'released'
  | 'timeout'
  | 'integrity'
  | 'credentials'
  | 'refused'
  | 'redirected'
  | 'mismatch'
  | 'expired'
  | 'invalid-response'

/** The server has allotted an address, or two of different families. */
export interface TurnAllocated {
  readonly type: 'allocated'
  /** For `addLocalCandidate`: the relayed ones, and over UDP the server-reflexive one of `base` where that is another address. */
  readonly candidates: readonly Candidate[]
  readonly relayedAddresses: readonly SocketAddress[]
  /** What the server sees of the client: XOR-MAPPED-ADDRESS. */
  readonly mappedAddress: SocketAddress
  /** ms. It is refreshed before that. */
  readonly lifetime: number
}

/**
 * A datagram from a peer: `source` is the peer, `destination` the relayed address. It is at the same time the input of an agent that has the
 * relayed candidate.
 */
export interface TurnDatagram extends IceReceive {
  readonly type: 'datagram'
  readonly proto: 'udp'
}

export interface TurnEnded {
  readonly type: 'ended'
  readonly reason: TurnEndReason
  /** The code of the error that has ended it, or of the last one that could not be verified. */
  readonly code: number | undefined
  /** With `redirected`: where to. */
  readonly alternateServer: SocketAddress | undefined
}

export type TurnEvent = TurnAllocated | TurnDatagram | TurnEnded

/** To the server. Over TCP, `contents` is the next part of the stream. */
export type TurnTransmit = TransmitOutput & IcePath

/** From the server. Over TCP, `contents` is one message of `TurnFraming`. */
export interface TurnReceive extends ReceiveInput {
  readonly source: SocketAddress
}

/** What is to be sent from the relayed address: an agent's or an `Rtc`'s output. */
export type RelayedTransmit = Pick<IceTransmit, 'source' | 'destination' | 'contents'>

/** Why something was dropped: of what came, and of what was to go out. */
export type TurnDropReason =
  /** Came: not from the server's address. */
  | 'source'
  /** Came: no STUN message and no ChannelData, or with a fault. */
  | 'malformed'
  /** Came: a message that a client does not take, or an ICMP error. */
  | 'unsupported'
  /** Came: a response to nothing that was asked, or too late. */
  | 'transaction'
  /** Came: a response whose message integrity is missing or wrong. */
  | 'integrity'
  /** Came: from a peer or on a channel that no permission was asked for. */
  | 'peer'
  /** Goes: the server gives no permission for the peer. */
  | 'permission'
  /** Goes: beyond the bound of peers, or of what waits for a permission. */
  | 'limit'
  /** Goes: to a peer of another family than the relayed address. */
  | 'family'
  /** Comes or goes: the allocation has ended. */
  | 'ended'

export interface TurnStatistics {
  readonly dropped: Readonly<Record<TurnDropReason, number>>
  /** Installed at present. */
  readonly permissions: number
  /** How often the server has refused one: 403 and others. */
  readonly permissionsRefused: number
  /** Bound at present. */
  readonly channels: number
  /** Retransmissions included. */
  readonly requestsSent: number
  readonly retransmissionsSent: number
  /** To peers. */
  readonly datagramsSent: number
  /** Without the headers. */
  readonly bytesSent: number
  /** From peers. */
  readonly datagramsReceived: number
  /** Without the headers. */
  readonly bytesReceived: number
  /** When the allocation ends unless it is refreshed. */
  readonly expiresAt: Instant | undefined
}

export function noTurnDrops(): Record<TurnDropReason, number> {
  return {
    source: 0,
    malformed: 0,
    unsupported: 0,
    transaction: 0,
    integrity: 0,
    peer: 0,
    permission: 0,
    limit: 0,
    family: 0,
    ended: 0,
  }
}
