import type { CryptoProvider, Hash } from '@str0m/crypto'
import { concatBytes } from '@str0m/sans-io'
import type { CipherSuite13 } from '../cipher-suites13.ts'
import type { HandshakeMessage } from '../wire/handshake.ts'
import { HandshakeType } from '../wire/protocol.ts'

/** Bytes of a header of TLS: type and length, which DTLS's begins with. */
const TLS_HEADER_LENGTH = 4

/** The transcript hash, RFC 8446 section 4.4.1, over messages without the fields of DTLS: RFC 9147 section 5.2. */
export class Transcript13 {
  readonly #hash: Hash

  constructor(crypto: CryptoProvider, hash: CipherSuite13['hash']) {
    this.#hash = crypto.createHash(hash)
  }

  add({ bytes, body }: HandshakeMessage): this {
    this.#hash.update(bytes.subarray(0, TLS_HEADER_LENGTH))
    this.#hash.update(body)
    return this
  }

  /** What stands for a first ClientHello that a HelloRetryRequest answered. */
  addMessageHash(helloHash: Uint8Array): this {
    this.#hash.update(
      concatBytes([new Uint8Array([HandshakeType.messageHash, 0, 0, helloHash.length]), helloHash]),
    )
    return this
  }

  /** Of what came so far. More may follow. */
  digest(): Uint8Array {
    return this.#hash.digest()
  }
}
