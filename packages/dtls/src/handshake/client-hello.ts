import { NO_BYTES } from '../bytes.ts'
import { CIPHER_SUITES, NAMED_GROUPS } from '../cipher-suites.ts'
import { SIGNATURE_SCHEMES } from '../signature-schemes.ts'
import { type SrtpProfile, srtpProfileId } from '../srtp-profiles.ts'
import { encodeClientHello } from '../wire/hello.ts'
import { POINT_FORMAT_UNCOMPRESSED, RANDOM_LENGTH } from '../wire/protocol.ts'

/** Where a ClientHello has its random, after the version: RFC 5246 section 7.4.1.2. */
export const RANDOM_AT = 2

/** The profiles that were offered last, and the body without a cookie that goes with them. */
let last: { readonly profiles: string; readonly body: Uint8Array } | undefined

/** The body of our ClientHello, with zeros for the random. Not to be written to. */
export function clientHelloBody(srtpProfiles: readonly SrtpProfile[], cookie: Uint8Array): Uint8Array {
  if (cookie.length > 0) return makeBody(srtpProfiles, cookie)
  const profiles = srtpProfiles.join()
  if (last?.profiles !== profiles) last = { profiles, body: makeBody(srtpProfiles, cookie) }
  return last.body
}

function makeBody(srtpProfiles: readonly SrtpProfile[], cookie: Uint8Array): Uint8Array {
  return encodeClientHello({
    random: new Uint8Array(RANDOM_LENGTH),
    cookie,
    cipherSuites: CIPHER_SUITES.map(({ id }) => id),
    extensions: {
      renegotiationInfo: NO_BYTES,
      extendedMasterSecret: true,
      supportedGroups: NAMED_GROUPS.map(({ id }) => id),
      ecPointFormats: new Uint8Array([POINT_FORMAT_UNCOMPRESSED]),
      signatureAlgorithms: SIGNATURE_SCHEMES,
      ...(srtpProfiles.length > 0 && {
        useSrtp: { profiles: srtpProfiles.map(srtpProfileId), mki: NO_BYTES },
      }),
    },
  })
}
