import { equalConstantTime, type CryptoProvider, type Hmac } from '@str0m/crypto'
import { ByteReader, ByteWriter, type Instant } from '@str0m/sans-io'
import type { Extensions } from './wire/init.ts'

/** How long a cookie is good for, ms: Valid.Cookie.Life, RFC 9260 section 16. */
export const COOKIE_LIFE = 60_000

const KEY_LENGTH = 32
const FLAG_FORWARD_TSN = 1
const FLAG_RECONFIG = 2
const FLAG_ZERO_CHECKSUM = 4
const FLAG_INTERLEAVING = 8

/** What an endpoint needs to make an association out of an INIT and its own INIT ACK, and remembers nowhere else. */
export interface CookieState {
  readonly createdAt: Instant
  readonly localTag: number
  readonly peerTag: number
  /** RFC 9260 section 5.2.2: 0 where there was no association. */
  readonly localTieTag: number
  readonly peerTieTag: number
  readonly localInitialTsn: number
  readonly peerInitialTsn: number
  readonly peerWindow: number
  readonly outboundStreams: number
  readonly inboundStreams: number
  readonly peerExtensions: Extensions
}

/** Makes State Cookies and takes back only its own, RFC 9260 sections 5.1.3 and 5.1.5. */
export class CookieJar {
  readonly #hmac: Hmac

  constructor(crypto: CryptoProvider) {
    this.#hmac = crypto.hmac('sha256', crypto.randomBytes(KEY_LENGTH))
  }

  seal(state: CookieState): Uint8Array {
    const { forwardTsn, reConfig, zeroChecksum, interleaving } = state.peerExtensions
    const body = new ByteWriter(48 + this.#hmac.length)
      // microseconds: an Instant may have a fraction
      .u64(BigInt(Math.round(state.createdAt * 1000)))
      .u32(state.localTag)
      .u32(state.peerTag)
      .u32(state.localTieTag)
      .u32(state.peerTieTag)
      .u32(state.localInitialTsn)
      .u32(state.peerInitialTsn)
      .u32(state.peerWindow)
      .u16(state.outboundStreams)
      .u16(state.inboundStreams)
      .u8(
        (forwardTsn ? FLAG_FORWARD_TSN : 0) |
          (reConfig ? FLAG_RECONFIG : 0) |
          (zeroChecksum ? FLAG_ZERO_CHECKSUM : 0) |
          (interleaving ? FLAG_INTERLEAVING : 0),
      )
      .finish()
    return new ByteWriter(body.length + this.#hmac.length).bytes(body).bytes(this.#hmac.sign(body)).finish()
  }

  /** `undefined` where the cookie was not sealed by this jar, whole and unchanged. */
  open(cookie: Uint8Array): CookieState | undefined {
    const split = cookie.length - this.#hmac.length
    if (split < 0) return undefined
    const body = cookie.subarray(0, split)
    if (!equalConstantTime(this.#hmac.sign(body), cookie.subarray(split))) return undefined
    const reader = new ByteReader(body)
    const createdAt = Number(BigInt.asIntN(64, reader.u64())) / 1000
    const state = {
      createdAt,
      localTag: reader.u32(),
      peerTag: reader.u32(),
      localTieTag: reader.u32(),
      peerTieTag: reader.u32(),
      localInitialTsn: reader.u32(),
      peerInitialTsn: reader.u32(),
      peerWindow: reader.u32(),
      outboundStreams: reader.u16(),
      inboundStreams: reader.u16(),
    }
    const flags = reader.u8()
    if (!reader.finished) return undefined
    const peerExtensions = {
      forwardTsn: (flags & FLAG_FORWARD_TSN) !== 0,
      reConfig: (flags & FLAG_RECONFIG) !== 0,
      zeroChecksum: (flags & FLAG_ZERO_CHECKSUM) !== 0,
      interleaving: (flags & FLAG_INTERLEAVING) !== 0,
    }
    return { ...state, peerExtensions }
  }
}
