// AES in counter mode with HMAC-SHA1: RFC 3711 sections 4.1.1 and 4.2.1. The tag of SRTP covers packet and
// rollover counter, that of SRTCP packet and trailer (E flag and index), which stands before the tag.
import { type CryptoProvider, type Hmac, viewOf, xorKeystream } from '@str0m/crypto'
import { writeU32 } from '@str0m/sans-io'
import { CounterBlocks } from './counter-blocks.ts'
import type { SessionKeys } from './key-derivation.ts'
import { Keystream, type KeystreamAhead } from './keystream.ts'
import { E_FLAG, RTCP_HEADER, RTCP_TRAILER } from './packet-format.ts'
import type { RtcpProtection, RtpProtection } from './protection.ts'

class CmHmac {
  readonly tagLength: number
  readonly hmac: Hmac
  readonly keystream: Keystream

  constructor(crypto: CryptoProvider, keys: SessionKeys, tagLength: number) {
    this.tagLength = tagLength
    this.hmac = crypto.hmac('sha1', keys.authKey)
    this.keystream = new Keystream(crypto.aesBlocks(keys.cipherKey), new CounterBlocks('cm', keys.salt))
  }

  crypt(
    bytes: Uint8Array,
    start: number,
    end: number,
    ssrc: number,
    index: number,
    ahead: KeystreamAhead | undefined,
  ): void {
    if (start === end) return
    const keystream = this.keystream.of(ssrc, index, (end - start + 15) >>> 4, ahead)
    xorKeystream(bytes, start, end, keystream, this.keystream.offset)
  }

  writeTag(tag: Uint8Array, out: Uint8Array, at: number): void {
    for (let i = 0; i < this.tagLength; i++) out[at + i] = tag[i]!
  }

  tagMatches(tag: Uint8Array, packet: Uint8Array, at: number): boolean {
    let difference = 0
    for (let i = 0; i < this.tagLength; i++) difference |= tag[i]! ^ packet[at + i]!
    return difference === 0
  }
}

export class CmHmacRtp implements RtpProtection {
  readonly #cm: CmHmac
  readonly #rollover: Uint8Array = new Uint8Array(4)

  constructor(crypto: CryptoProvider, keys: SessionKeys, tagLength: number) {
    this.#cm = new CmHmac(crypto, keys, tagLength)
  }

  protect(
    buffer: Uint8Array,
    headerLength: number,
    length: number,
    ssrc: number,
    index: number,
    ahead: KeystreamAhead | undefined,
  ): void {
    this.#cm.crypt(buffer, headerLength, length, ssrc, index, ahead)
    // The tag's place, four bytes or more, takes the rollover counter first.
    writeU32(buffer, length, Math.floor(index / 0x1_0000))
    this.#cm.writeTag(this.#cm.hmac.sign(viewOf(buffer, 0, length + 4)), buffer, length)
  }

  unprotect(
    packet: Uint8Array,
    headerLength: number,
    ssrc: number,
    index: number,
    ahead: KeystreamAhead | undefined,
  ): boolean {
    const end = packet.length - this.#cm.tagLength
    writeU32(this.#rollover, 0, Math.floor(index / 0x1_0000))
    const tag = this.#cm.hmac.sign(viewOf(packet, 0, end), this.#rollover)
    if (!this.#cm.tagMatches(tag, packet, end)) return false
    this.#cm.crypt(packet, headerLength, end, ssrc, index, ahead)
    return true
  }

  prepare(ssrc: number, index: number, payload: number, ahead: KeystreamAhead): void {
    this.#cm.keystream.prepare(ssrc, index, (payload + 15) >>> 4, ahead)
  }
}

export class CmHmacRtcp implements RtcpProtection {
  readonly #cm: CmHmac

  constructor(crypto: CryptoProvider, keys: SessionKeys, tagLength: number) {
    this.#cm = new CmHmac(crypto, keys, tagLength)
  }

  protect(buffer: Uint8Array, length: number, ssrc: number, index: number): void {
    this.#cm.crypt(buffer, RTCP_HEADER, length, ssrc, index, undefined)
    writeU32(buffer, length, (E_FLAG | index) >>> 0)
    const authenticated = length + RTCP_TRAILER
    this.#cm.writeTag(this.#cm.hmac.sign(buffer.subarray(0, authenticated)), buffer, authenticated)
  }

  unprotect(packet: Uint8Array, ssrc: number, trailer: number): boolean {
    const authenticated = packet.length - this.#cm.tagLength
    const tag = this.#cm.hmac.sign(packet.subarray(0, authenticated))
    if (!this.#cm.tagMatches(tag, packet, authenticated)) return false
    if ((trailer & E_FLAG) !== 0) {
      this.#cm.crypt(packet, RTCP_HEADER, authenticated - RTCP_TRAILER, ssrc, trailer & ~E_FLAG, undefined)
    }
    return true
  }

  trailerAt(length: number): number {
    return length - this.#cm.tagLength - RTCP_TRAILER
  }
}
