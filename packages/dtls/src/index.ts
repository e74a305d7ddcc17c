export {
  DtlsCertificate,
  type GenerateCertificateOptions,
  type ImportCertificateOptions,
} from './certificate.ts'
export type { CipherSuiteName } from './cipher-suites.ts'
export type { CipherSuiteName13 } from './cipher-suites13.ts'
export { CookieExchange, type CookieExchangeOptions, type CookieVerdict } from './cookie.ts'
export { Dtls, type DtlsInput, type DtlsOutput, type DtlsState } from './dtls.ts'
export type { ClosedEvent, ClosedReason, ConnectedEvent, DataEvent, DtlsEvent } from './events.ts'
export { checkFingerprints, type Fingerprint, type FingerprintAlgorithm } from './fingerprint.ts'
export type { DtlsOptions } from './options.ts'
export type { PeerCertificate } from './peer-certificate.ts'
export { RECORD_HEADROOM, RECORD_TAILROOM } from './record-protection.ts'
export type { SrtpKeys, SrtpProfile } from './srtp-profiles.ts'
export type { DropReason, DtlsStatistics } from './statistics.ts'
export type { DtlsVersion } from './dtls-version.ts'
export type { WebCryptoKey, WebCryptoKeyPair } from './web-crypto.ts'
