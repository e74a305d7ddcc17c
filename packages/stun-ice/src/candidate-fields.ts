import type { SocketAddress } from '@str0m/sans-io'

/** RFC 8445 section 5.1.1, by the names of RFC 8839. */
export type CandidateType = 'host' | 'srflx' | 'prflx' | 'relay'
export type CandidateProtocol = 'udp' | 'tcp'
/** Who opens the connection, RFC 6544 section 4.1: this candidate's side, the other, or both at once. */
export type TcpType = 'active' | 'passive' | 'so'

/** What a candidate's line says, RFC 8839 section 5.1, and its base. */
export interface CandidateFields {
  readonly type: CandidateType
  readonly protocol: CandidateProtocol
  readonly address: SocketAddress
  readonly priority: number
  readonly foundation: string
  readonly component: number
  readonly base: SocketAddress
  readonly relatedAddress?: SocketAddress | undefined
  /** Of TCP: that of another kind is not taken by an agent, nor one without. */
  readonly tcpType?: TcpType | undefined
  readonly ufrag?: string | undefined
}
