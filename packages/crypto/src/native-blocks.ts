import { plain } from './bytes.ts'
import { checkLength } from './check-usage.ts'
import type { NodeCrypto, NodeKeyObject } from './native-module.ts'
import type { AesBlocks, ChaChaBlocks } from './provider.ts'

/** AES block by block, by one cipher object that is never finished. `algorithm` is such as `aes-128-ecb`. */
export function nativeBlocks(node: NodeCrypto, algorithm: string, key: NodeKeyObject): AesBlocks {
  const cipher = node.createCipheriv(algorithm, key, null)
  cipher.setAutoPadding(false)
  return {
    encrypt: (blocks) => {
      checkLength(blocks.length % 16 === 0, 'blocks have 16 bytes each')
      return plain(cipher.update(blocks))
    },
  }
}

/** A block of keystream is the encryption of zeros. */
const ZEROS = new Uint8Array(64)

/** ChaCha20 block by block: OpenSSL's initialization vector is the block counter and the nonce, RFC 8439 section 2.3. */
export function nativeChaChaBlocks(node: NodeCrypto, key: NodeKeyObject): ChaChaBlocks {
  return {
    block: (input) => {
      checkLength(input.length === 16, 'a counter and a nonce have 16 bytes')
      return plain(node.createCipheriv('chacha20', key, input).update(ZEROS))
    },
  }
}
