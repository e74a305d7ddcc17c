import { type CipherSuite13, CIPHER_SUITES_13 } from '../cipher-suites13.ts'
import { NAMED_GROUPS, type NamedGroup } from '../cipher-suites.ts'
import { OWN_SIGNATURE_SCHEME } from '../signature-schemes.ts'
import { type SrtpProfile, srtpProfileId } from '../srtp-profiles.ts'
import type { ClientHello } from '../wire/hello.ts'
import { DTLS_1_2 } from '../wire/protocol.ts'
import { Refusal } from './authentication.ts'
import type { HandshakeConfig } from './context.ts'

/** What a ClientHello of DTLS 1.3 and we have in common. */
export interface Negotiated13 {
  readonly suite: CipherSuite13
  readonly group: NamedGroup
  /** The client's share on `group`; without one it is to be asked for one. */
  readonly keyShare: Uint8Array | undefined
  readonly srtpProfile: SrtpProfile | undefined
}

/** The server's choice, RFC 8446 section 4.1.1. Our order of preference counts, but a share that is there comes first. */
export function negotiate13(
  config: Pick<HandshakeConfig, 'srtpProfiles'>,
  hello: ClientHello,
): Negotiated13 | Refusal {
  const { extensions } = hello
  // RFC 9147 section 5.3, RFC 8446 section 4.1.2
  const isNull = hello.compressionMethods.length === 1 && hello.compressionMethods[0] === 0
  if (hello.version !== DTLS_1_2 || hello.cookie.length > 0 || !isNull)
    return new Refusal('illegal-parameter')
  const suite = CIPHER_SUITES_13.find(({ id }) => hello.cipherSuites.includes(id))
  if (suite === undefined) return new Refusal('no-common-cipher-suite')
  const { supportedGroups, keyShares } = extensions
  // RFC 8446 section 9.2: both or neither, and without a PSK both
  if (supportedGroups === undefined || keyShares === undefined) return new Refusal('illegal-parameter')
  const common = NAMED_GROUPS.filter(({ id }) => supportedGroups.includes(id))
  const shareOn = ({ id }: NamedGroup): Uint8Array | undefined =>
    keyShares.find(({ group }) => group === id)?.keyExchange
  const group = common.find((known) => shareOn(known) !== undefined) ?? common[0]
  if (group === undefined) return new Refusal('no-common-group')
  if (extensions.signatureAlgorithms?.includes(OWN_SIGNATURE_SCHEME) !== true) {
    return new Refusal('no-common-signature-algorithm')
  }
  const offered = extensions.useSrtp?.profiles ?? []
  return {
    suite,
    group,
    keyShare: shareOn(group),
    srtpProfile: config.srtpProfiles.find((profile) => offered.includes(srtpProfileId(profile))),
  }
}
