/** Why a received packet was dropped. */
export type DropReason =
  /** Shorter than the smallest protected packet of the profile. */
  | 'tooShort'
  /** No version 2, or a header that runs past the end. */
  | 'malformed'
  /** An index that was received before. */
  | 'replayed'
  /** An index before the replay window, before the first, or after the last. */
  | 'tooOld'
  /** The tag does not match. */
  | 'authenticationFailed'
  /** A new SSRC, where there are already as many as the context takes. */
  | 'tooManyStreams'

/** What a context counted. Live: read it at any time. */
export interface SrtpStatistics {
  /** Packets protected, SRTP and SRTCP. */
  readonly protected: number
  /** Packets unprotected, SRTP and SRTCP. */
  readonly unprotected: number
  /** Packets dropped by `unprotectRtp` and `unprotectRtcp`, by reason. */
  readonly dropped: Readonly<Record<DropReason, number>>
}

export interface MutableStatistics extends SrtpStatistics {
  protected: number
  unprotected: number
  readonly dropped: Record<DropReason, number>
}

export function emptyStatistics(): MutableStatistics {
  return {
    protected: 0,
    unprotected: 0,
    dropped: {
      tooShort: 0,
      malformed: 0,
      replayed: 0,
      tooOld: 0,
      authenticationFailed: 0,
      tooManyStreams: 0,
    },
  }
}
