import type { SocketAddress } from '@str0m/sans-io'

/** RFC 8445 section 5.1.1, by the names of RFC 8839. */
export type CandidateType = 'host' | 'srflx' | 'prflx' | 'relay'
export type CandidateProtocol = 'udp' | 'tcp'

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
  readonly tcpType?: string | undefined
  readonly ufrag?: string | undefined
}
