/** Why bytes of the peer, or of someone else, were dropped. */
export type DropReason =
  /** No whole record where one should start; the rest of the datagram goes with it. */
  | 'malformed-record'
  /** A content type or an epoch that there is nothing for. */
  | 'unexpected-record'
  /** The tag does not match. */
  | 'bad-record-mac'
  /** Received before, or older than the replay window. */
  | 'replayed'
  /** Came before its keys, and there was no more room to keep it. */
  | 'early-record-evicted'
  /** In plaintext after the handshake. */
  | 'plaintext-after-handshake'
  /** An alert that nothing authenticates. */
  | 'unauthenticated-alert'
  /** A fragment or message that contradicts itself. */
  | 'malformed-handshake'
  /** A message that the handshake has no place for. */
  | 'unexpected-message'
  /** A declared length or a sequence number out of bounds, or no more room to reassemble. */
  | 'reassembly-limit'
  | 'unsupported-version'
  | 'no-common-cipher-suite'
  | 'no-common-group'
  | 'no-common-signature-algorithm'
  | 'no-extended-master-secret'
  /** An answer to what was not offered, or a value out of range. */
  | 'illegal-parameter'
  /** No certificate where one is demanded, or one without a usable key. */
  | 'bad-certificate'
  /** The certificate is none of those that the signalling announced. */
  | 'fingerprint-mismatch'
  /** The signature of a ServerKeyExchange or CertificateVerify does not verify. */
  | 'bad-signature'
  /** A point that is not on its curve. */
  | 'bad-key-share'
  | 'bad-finished'
  /** A renegotiation, which is refused. */
  | 'renegotiation'
  /** After the connection was closed. */
  | 'closed'

export interface DtlsStatistics {
  readonly datagramsReceived: number
  readonly datagramsSent: number
  /** Whole ones, dropped ones with them. */
  readonly recordsReceived: number
  /** Bytes of datagrams. */
  readonly bytesReceived: number
  /** Bytes of datagrams. */
  readonly bytesSent: number
  /** Flights sent again, because time ran out or the peer sent its own again. */
  readonly flightsRetransmitted: number
  readonly dropped: Readonly<Record<DropReason, number>>
}

/** The counters behind `DtlsStatistics`. */
export class Counters {
  datagramsReceived = 0
  datagramsSent = 0
  recordsReceived = 0
  bytesReceived = 0
  bytesSent = 0
  flightsRetransmitted = 0
  /** Why the handshake last refused something of the peer: the best guess at why it did not complete. */
  lastRefusal: DropReason | undefined
  readonly #dropped: Record<DropReason, number> = {
    'malformed-record': 0,
    'unexpected-record': 0,
    'bad-record-mac': 0,
    replayed: 0,
    'early-record-evicted': 0,
    'plaintext-after-handshake': 0,
    'unauthenticated-alert': 0,
    'malformed-handshake': 0,
    'unexpected-message': 0,
    'reassembly-limit': 0,
    'unsupported-version': 0,
    'no-common-cipher-suite': 0,
    'no-common-group': 0,
    'no-common-signature-algorithm': 0,
    'no-extended-master-secret': 0,
    'illegal-parameter': 0,
    'bad-certificate': 0,
    'fingerprint-mismatch': 0,
    'bad-signature': 0,
    'bad-key-share': 0,
    'bad-finished': 0,
    renegotiation: 0,
    closed: 0,
  }

  drop(reason: DropReason): void {
    this.#dropped[reason]++
  }

  /** Counts a drop that says something about the peer's handshake. */
  refuse(reason: DropReason): void {
    this.#dropped[reason]++
    this.lastRefusal = reason
  }

  snapshot(): DtlsStatistics {
    return {
      datagramsReceived: this.datagramsReceived,
      datagramsSent: this.datagramsSent,
      recordsReceived: this.recordsReceived,
      bytesReceived: this.bytesReceived,
      bytesSent: this.bytesSent,
      flightsRetransmitted: this.flightsRetransmitted,
      dropped: { ...this.#dropped },
    }
  }
}
