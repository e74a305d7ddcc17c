import { fromBase64 } from '@str0m/sans-io'
import type { MediaSection } from '@str0m/sdp'

export const DEFAULT_SCTP_PORT = 5000
/** RFC 8841 section 6.1. */
const DEFAULT_MAX_MESSAGE_SIZE = 65_536

/** What the peer says of its end of the data channels, RFC 8841. */
export interface RemoteData {
  readonly sctpPort: number
  /** Bytes of the largest message that it takes; `Infinity`: any. */
  readonly maxMessageSize: number
  /** Its INIT chunk (SNAP), where it sends one. */
  readonly init?: Uint8Array | undefined
}

/**
 * What a section says of its sender's end, with the default of RFC 8841 section 6.1. The port has none (section 5.1): where it is missing, it is what all peers
 * write.
 */
export function remoteData(section: MediaSection | undefined): RemoteData | undefined {
  if (section === undefined) return undefined
  const { sctpPort = DEFAULT_SCTP_PORT, maxMessageSize = DEFAULT_MAX_MESSAGE_SIZE, sctpInit } = section
  return {
    sctpPort,
    maxMessageSize: maxMessageSize === 0 ? Number.POSITIVE_INFINITY : maxMessageSize,
    init: sctpInit === undefined ? undefined : fromBase64(sctpInit),
  }
}
