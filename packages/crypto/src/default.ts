import { findNodeCrypto } from './native-module.ts'
import { nativeCrypto } from './native.ts'
import { portableCrypto } from './portable.ts'
import type { CryptoOptions, CryptoProvider } from './provider.ts'

/** The native provider where the runtime has one, else the portable one. */
export function defaultCrypto(options: CryptoOptions = {}): CryptoProvider {
  return findNodeCrypto() === undefined ? portableCrypto(options) : nativeCrypto(options)
}
