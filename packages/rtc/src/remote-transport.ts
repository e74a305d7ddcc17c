import { checkFingerprints } from '@str0m/dtls'
import { UsageError } from '@str0m/sans-io'
import { type MediaSection, type SessionDescription, type Setup, transportOf } from '@str0m/sdp'
import type { RemoteTransport } from './transport.ts'

/** What was there before a description. */
export interface KnownTransport {
  /** What an earlier one said. */
  readonly before: RemoteTransport | undefined
  /** Whether there is a DTLS association by it. */
  readonly hasAssociation: boolean
  /** Our part in DTLS, where the offer leaves the choice. */
  readonly dtlsSetup: 'active' | 'passive'
}

/** What a description says of its sender's end of the transport, in `section`. Throws a `UsageError` (`invalid-offer`, `invalid-answer`). */
export function readRemoteTransport(
  description: SessionDescription,
  section: MediaSection,
  what: 'offer' | 'answer',
  { before, hasAssociation, dtlsSetup }: KnownTransport,
): RemoteTransport {
  const { iceUfrag, icePwd, fingerprints, setup } = transportOf(description, section)
  if (iceUfrag === undefined || icePwd === undefined) {
    throw invalid(what, 'it has no ICE credentials (a=ice-ufrag, a=ice-pwd)')
  }
  if (fingerprints.length === 0) throw invalid(what, 'it has no certificate fingerprint (a=fingerprint)')
  try {
    // else it would throw in the middle of the run loop, where DTLS starts
    checkFingerprints(fingerprints)
  } catch (error) {
    throw error instanceof UsageError ? invalid(what, error.message) : error
  }
  // RFC 8842 section 5.3: another certificate takes another association, which is not established here
  const isOther = before?.fingerprints.every((known) =>
    fingerprints.every(({ algorithm, value }) => algorithm !== known.algorithm || value !== known.value),
  )
  if (isOther === true && hasAssociation) {
    throw invalid(
      what,
      'it announces another certificate than before: who has that one needs an Rtc of its own',
    )
  }
  return {
    iceUfrag,
    icePwd,
    fingerprints,
    iceLite: description.iceLite,
    dtlsRole: before === undefined || isOther === true ? dtlsRole(setup, what, dtlsSetup) : before.dtlsRole,
  }
}

/** RFC 8842 section 5.3. */
function dtlsRole(
  setup: Setup | undefined,
  what: 'offer' | 'answer',
  preferred: 'active' | 'passive',
): 'client' | 'server' {
  switch (setup) {
    case 'active':
      return 'server'
    case 'passive':
      return 'client'
    case 'actpass':
      if (what === 'answer') throw invalid(what, 'it leaves the DTLS role open (a=setup:actpass)')
      return preferred === 'active' ? 'client' : 'server'
    case 'holdconn':
      throw invalid(what, 'it holds the connection (a=setup:holdconn)')
    case undefined:
      // RFC 4145 section 4.1: without the attribute, the offerer is active and the answerer passive
      return what === 'offer' ? 'server' : 'client'
  }
}

/** What an offer or answer that cannot be taken throws. */
export function invalid(what: 'offer' | 'answer', reason: string): UsageError {
  return new UsageError(`invalid-${what}`, `The ${what} cannot be taken: ${reason}`)
}
