import { CIPHER_SUITES, type CipherSuite, NAMED_GROUPS, type NamedGroup } from '../cipher-suites.ts'
import { OWN_SIGNATURE_SCHEME } from '../signature-schemes.ts'
import { type SrtpProfile, srtpProfileId } from '../srtp-profiles.ts'
import type { ClientHello } from '../wire/hello.ts'
import { EMPTY_RENEGOTIATION_INFO_SCSV, POINT_FORMAT_UNCOMPRESSED } from '../wire/protocol.ts'
import { Refusal } from './authentication.ts'
import type { HandshakeConfig } from './context.ts'
import { offers12 } from './version.ts'

/** What a ClientHello and we have in common. */
export interface Negotiated {
  readonly suite: CipherSuite
  readonly group: NamedGroup
  readonly srtpProfile: SrtpProfile | undefined
  readonly clientRandom: Uint8Array
  /** Whether the client knows RFC 5746. */
  readonly secureRenegotiation: boolean
  /** Whether the client sent ec_point_formats, so that an answer is allowed. */
  readonly pointFormats: boolean
}

/** The server's choice. Our order of preference counts. */
export function negotiate(config: HandshakeConfig, hello: ClientHello): Negotiated | Refusal {
  const { extensions } = hello
  if (!offers12(hello)) return new Refusal('unsupported-version')
  if (!hello.compressionMethods.includes(0)) return new Refusal('illegal-parameter')
  if (extensions.renegotiationInfo !== undefined && extensions.renegotiationInfo.length > 0) {
    return new Refusal('illegal-parameter')
  }
  if (!extensions.extendedMasterSecret) return new Refusal('no-extended-master-secret')
  // our certificate is on P-256
  const suite = CIPHER_SUITES.find(
    ({ id, authentication }) => authentication === 'ec' && hello.cipherSuites.includes(id),
  )
  if (suite === undefined) return new Refusal('no-common-cipher-suite')
  // RFC 8422 section 4: a client without the extension leaves the choice to us
  const groups = extensions.supportedGroups ?? [SECP256R1]
  const group = NAMED_GROUPS.find(({ id }) => groups.includes(id))
  const formats = extensions.ecPointFormats
  if (group === undefined || (formats !== undefined && !formats.includes(POINT_FORMAT_UNCOMPRESSED))) {
    return new Refusal('no-common-group')
  }
  if (extensions.signatureAlgorithms?.includes(OWN_SIGNATURE_SCHEME) !== true) {
    return new Refusal('no-common-signature-algorithm')
  }
  const offered = extensions.useSrtp?.profiles ?? []
  return {
    suite,
    group,
    srtpProfile: config.srtpProfiles.find((profile) => offered.includes(srtpProfileId(profile))),
    // a view would keep the whole hello in memory
    clientRandom: hello.random.slice(),
    secureRenegotiation:
      extensions.renegotiationInfo !== undefined ||
      hello.cipherSuites.includes(EMPTY_RENEGOTIATION_INFO_SCSV),
    pointFormats: formats !== undefined,
  }
}

const SECP256R1 = 23
