import { assert } from '@str0m/sans-io'
import { plain } from './bytes.ts'
import type { NodeCrypto, NodeKeyObject } from './native-module.ts'
import type { AesBlocks } from './provider.ts'

/** AES block by block, by one cipher object that is never finished. `algorithm` is such as `aes-128-ecb`. */
export function nativeBlocks(node: NodeCrypto, algorithm: string, key: NodeKeyObject): AesBlocks {
  const cipher = node.createCipheriv(algorithm, key, null)
  cipher.setAutoPadding(false)
  return {
    encrypt: (blocks) => {
      assert(blocks.length % 16 === 0, 'blocks have 16 bytes each')
      return plain(cipher.update(blocks))
    },
  }
}
