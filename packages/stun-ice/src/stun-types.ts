import type { SocketAddress } from '@str0m/sans-io'

/** The method of a Binding request, the only one that ICE uses. RFC 8489 section 18.2. */
export const BINDING = 0x001
/** RFC 8489 section 5. */
export const MAGIC_COOKIE = 0x2112_a442
export const STUN_HEADER_LENGTH = 20

/** Attribute types: RFC 8489 section 18.3, RFC 8445 section 16.1 for ICE's, RFC 8656 section 18 for TURN's, RFC 3489 section 11.2 for two that are reserved since. */
export const Attribute = {
  mappedAddress: 0x0001,
  sourceAddress: 0x0004,
  changedAddress: 0x0005,
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  channelNumber: 0x000c,
  lifetime: 0x000d,
  xorPeerAddress: 0x0012,
  data: 0x0013,
  realm: 0x0014,
  nonce: 0x0015,
  xorRelayedAddress: 0x0016,
  requestedAddressFamily: 0x0017,
  requestedTransport: 0x0019,
  messageIntegritySha256: 0x001c,
  passwordAlgorithm: 0x001d,
  userhash: 0x001e,
  xorMappedAddress: 0x0020,
  priority: 0x0024,
  useCandidate: 0x0025,
  additionalAddressFamily: 0x8000,
  passwordAlgorithms: 0x8002,
  software: 0x8022,
  alternateServer: 0x8023,
  fingerprint: 0x8028,
  iceControlled: 0x8029,
  iceControlling: 0x802a,
} as const

/** Attributes below this must be understood by who reads them. RFC 8489 section 14. */
export const COMPREHENSION_OPTIONAL = 0x8000

/** The class of a message, RFC 8489 section 5. */
export type StunClass = 'request' | 'indication' | 'success' | 'error'

/** ERROR-CODE, RFC 8489 section 14.8: 300 to 699. */
export interface StunError {
  readonly code: number
  readonly reason: string
}

/** An attribute that this package does not read: its type and a view of its value. */
export interface StunAttribute {
  readonly type: number
  readonly value: Uint8Array
}

/** A STUN message as plain data, RFC 8489. The message integrity and FINGERPRINT are made when it is written. */
export interface StunMessage {
  readonly class: StunClass
  /** 12 bits. 1 is Binding. */
  readonly method: number
  /** 12 bytes. */
  readonly transactionId: Uint8Array
  readonly username?: string | undefined
  readonly software?: string | undefined
  readonly realm?: string | undefined
  readonly nonce?: string | undefined
  readonly mappedAddress?: SocketAddress | undefined
  readonly xorMappedAddress?: SocketAddress | undefined
  readonly alternateServer?: SocketAddress | undefined
  readonly errorCode?: StunError | undefined
  readonly unknownAttributes?: readonly number[] | undefined
  /** 32 bits, RFC 8445 section 7.1.1. */
  readonly priority?: number | undefined
  readonly useCandidate?: boolean | undefined
  /** The tie-breaker, 64 bits. */
  readonly iceControlled?: bigint | undefined
  /** The tie-breaker, 64 bits. */
  readonly iceControlling?: bigint | undefined
  /** Attributes of other types, such as NETWORK-COST of Chromium. */
  readonly others?: readonly StunAttribute[] | undefined
}

/** A message that was read. */
export interface ReceivedStun extends StunMessage {
  /** The bytes that it was read from. */
  readonly bytes: Uint8Array
  /** Where the MESSAGE-INTEGRITY attribute starts, or -1. It is not yet verified. */
  readonly integrityAt: number
  /** Where the MESSAGE-INTEGRITY-SHA256 attribute starts, or -1. It is not yet verified. */
  readonly integritySha256At: number
  /** Whether there was a FINGERPRINT. A wrong one makes the message a fault. */
  readonly fingerprint: boolean
  /** Types that must be understood and are not: the reason for a 420. At most 16 are kept. */
  readonly notUnderstood: readonly number[]
}

/**
 * Why bytes are no STUN message: `not-stun` (too short, no magic cookie, wrong first bits), `length` (the header's
 * or an attribute's length lies), `attribute` (a value that cannot be), `fingerprint` (does not match).
 */
export type StunFault = 'not-stun' | 'length' | 'attribute' | 'fingerprint'
