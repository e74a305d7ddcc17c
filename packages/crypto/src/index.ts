export { viewOf } from './bytes.ts'
export { equalConstantTime } from './constant-time.ts'
export { COUNTER_BLOCKS_MAX, type CounterArea, counterArea } from './counter-blocks.ts'
export { defaultCrypto } from './default.ts'
export { keystreamGcm, type KeystreamGcm, xorKeystream } from './keystream-modes.ts'
export { nativeCrypto } from './native.ts'
export { portableCrypto } from './portable.ts'
export type {
  Aead,
  AeadAlgorithm,
  AesBlocks,
  ChaChaBlocks,
  CryptoOptions,
  CryptoProvider,
  Hash,
  HashAlgorithm,
  Hmac,
  HmacAlgorithm,
  KeyExchange,
  KeyExchangeGroup,
  SignatureAlgorithm,
  SignatureCurve,
  SigningKey,
  VerifyingKey,
} from './provider.ts'
