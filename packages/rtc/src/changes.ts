import type { Mid } from '@str0m/sans-io'
import type { Direction, Encoding } from '@str0m/sdp'

/** What an offer is to change. */
export interface Changes {
  readonly added: readonly AddedMedia[]
  readonly directions: ReadonlyMap<Mid, Direction>
  readonly stopped: ReadonlySet<Mid>
  /** Whether data channels are to have a section. */
  readonly data: boolean
  /** New credentials for ICE, RFC 8829 section 5.2.2. */
  readonly iceRestart: boolean
}

/** A section that an offer is to add. */
export interface AddedMedia {
  readonly mid: Mid
  readonly kind: 'audio' | 'video'
  readonly direction: Direction
  /** Where several are to be sent (simulcast). */
  readonly encodings: readonly Encoding[]
  /** Where several are to be received. */
  readonly receiveEncodings: readonly Encoding[]
  /** Of its MediaStream; `undefined`: the one that all have. */
  readonly streamId: string | undefined
}
