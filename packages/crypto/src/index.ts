export { equalConstantTime } from './constant-time.ts'
export { defaultCrypto } from './default.ts'
export { nativeCrypto } from './native.ts'
export { portableCrypto } from './portable.ts'
export type {
  Aead,
  AeadAlgorithm,
  AesBlocks,
  CryptoOptions,
  CryptoProvider,
  Hash,
  HashAlgorithm,
  Hmac,
  HmacAlgorithm,
  KeyExchange,
  KeyExchangeGroup,
  SignatureAlgorithm,
  SigningKey,
  VerifyingKey,
} from './provider.ts'
