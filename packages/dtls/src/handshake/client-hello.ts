import { NO_BYTES } from '../bytes.ts'
import { CIPHER_SUITES, NAMED_GROUPS } from '../cipher-suites.ts'
import { CIPHER_SUITES_13 } from '../cipher-suites13.ts'
import { SIGNATURE_SCHEMES } from '../signature-schemes.ts'
import { srtpProfileId } from '../srtp-profiles.ts'
import type { KeyShareEntry } from '../wire/extensions.ts'
import { encodeClientHello } from '../wire/hello.ts'
import { DTLS_1_2, DTLS_1_3, POINT_FORMAT_UNCOMPRESSED, RANDOM_LENGTH } from '../wire/protocol.ts'
import type { HandshakeConfig } from './context.ts'

/** Where a ClientHello has its random, after the version: RFC 5246 section 7.4.1.2. */
export const RANDOM_AT = 2

/** What one of our ClientHellos has that others have not. */
export interface HelloParts {
  /** Of a HelloVerifyRequest. */
  readonly legacyCookie: Uint8Array
  /** Of a HelloRetryRequest. */
  readonly cookie: Uint8Array | undefined
  /** Empty without DTLS 1.3. */
  readonly keyShares: readonly KeyShareEntry[]
}

/** The profiles that were offered last, and the body of a first ClientHello of DTLS 1.2 that goes with them. */
let last: { readonly profiles: string; readonly body: Uint8Array } | undefined

/** The body of our ClientHello, with zeros for the random. Not to be written to. */
export function clientHelloBody(config: HandshakeConfig, parts: HelloParts): Uint8Array {
  if (parts.legacyCookie.length > 0 || config.versions.includes('DTLS 1.3')) return makeBody(config, parts)
  const profiles = config.srtpProfiles.join()
  if (last?.profiles !== profiles) last = { profiles, body: makeBody(config, parts) }
  return last.body
}

function makeBody({ versions, srtpProfiles }: HandshakeConfig, parts: HelloParts): Uint8Array {
  const has12 = versions.includes('DTLS 1.2')
  const has13 = versions.includes('DTLS 1.3')
  return encodeClientHello({
    random: new Uint8Array(RANDOM_LENGTH),
    cookie: parts.legacyCookie,
    cipherSuites: [...(has13 ? CIPHER_SUITES_13 : []), ...(has12 ? CIPHER_SUITES : [])].map(({ id }) => id),
    extensions: {
      ...(has12 && {
        renegotiationInfo: NO_BYTES,
        ecPointFormats: new Uint8Array([POINT_FORMAT_UNCOMPRESSED]),
      }),
      extendedMasterSecret: has12,
      supportedGroups: NAMED_GROUPS.map(({ id }) => id),
      signatureAlgorithms: SIGNATURE_SCHEMES,
      ...(srtpProfiles.length > 0 && {
        useSrtp: { profiles: srtpProfiles.map(srtpProfileId), mki: NO_BYTES },
      }),
      ...(has13 && {
        supportedVersions: has12 ? [DTLS_1_3, DTLS_1_2] : [DTLS_1_3],
        cookie: parts.cookie,
        keyShares: parts.keyShares,
      }),
    },
  })
}
