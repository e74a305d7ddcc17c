import { InternalError } from '@str0m/sans-io'
import type { CryptoOptions, CryptoProvider } from './provider.ts'

export function portableCrypto(_options: CryptoOptions = {}): CryptoProvider {
  throw new InternalError('being written')
}
