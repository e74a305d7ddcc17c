import { type CryptoProvider, equalConstantTime } from '@str0m/crypto'
import { ByteReader } from '@str0m/sans-io'
import { type MasterSecret, trafficKeys, verifyData } from '../key-schedule.ts'
import type { PeerCertificate } from '../peer-certificate.ts'
import { ReadEpoch, WriteEpoch } from '../record-protection.ts'
import type { SrtpProfile } from '../srtp-profiles.ts'
import { handshakeMessage, type HandshakeMessage, readHandshakeFragment } from '../wire/handshake.ts'
import { HandshakeType } from '../wire/protocol.ts'
import type { RecordHeader } from '../wire/record.ts'

/**
 * Sessions that have keys but no Finished. Without an attacker there is one; each forged hello that is as good as
 * the genuine one may add another, and the Finished tells which it is. At the bound the oldest goes.
 */
export const PENDING_SESSIONS_MAX = 16

/** A session with keys, to be confirmed by the peer's Finished. */
export interface PendingSession {
  readonly master: MasterSecret
  readonly read: ReadEpoch
  readonly write: WriteEpoch
  readonly peerCertificate: PeerCertificate | undefined
  readonly srtpProfile: SrtpProfile | undefined
  /** All messages before the peer's Finished. */
  readonly transcript: Uint8Array
  /** The `message_seq` of the peer's Finished. */
  readonly finishedSequence: number
}

/** Derives both directions' keys. */
export function sessionEpochs(
  crypto: CryptoProvider,
  master: MasterSecret,
  role: 'client' | 'server',
): { readonly read: ReadEpoch; readonly write: WriteEpoch } {
  const { client, server } = trafficKeys(crypto, master)
  const { suite } = master
  const [own, peer] = role === 'client' ? [client, server] : [server, client]
  return {
    read: new ReadEpoch({ crypto, suite, keys: peer }),
    write: new WriteEpoch({ crypto, suite, keys: own }),
  }
}

/** What came of a record of epoch 1 in the handshake. */
export type OpenResult =
  | { readonly kind: 'opened'; readonly session: PendingSession; readonly plaintext: Uint8Array }
  | { readonly kind: 'no-keys' }
  | { readonly kind: 'rejected' }

const NO_KEYS: OpenResult = { kind: 'no-keys' }
const REJECTED: OpenResult = { kind: 'rejected' }

/** Tries the sessions, the newest first. */
export function openWithAny(
  sessions: readonly PendingSession[],
  datagram: Uint8Array,
  header: RecordHeader,
): OpenResult {
  for (let i = sessions.length - 1; i >= 0; i--) {
    const session = sessions[i]!
    if (session.read.isReplay(header)) continue
    const plaintext = session.read.open(datagram, header)
    if (plaintext !== undefined) return { kind: 'opened', session, plaintext }
  }
  return sessions.length === 0 ? NO_KEYS : REJECTED
}

/** Keeps a session, and drops the oldest at the bound. */
export function keepSession(sessions: PendingSession[], session: PendingSession): void {
  if (sessions.length === PENDING_SESSIONS_MAX) sessions.shift()
  sessions.push(session)
}

export function finishedMessage(
  crypto: CryptoProvider,
  master: MasterSecret,
  sender: 'client' | 'server',
  messageSequence: number,
  transcript: Uint8Array,
): HandshakeMessage {
  const body = verifyData(crypto, master, sender, transcript)
  return handshakeMessage(HandshakeType.finished, messageSequence, body)
}

/**
 * The peer's Finished in `plaintext`, where it confirms `session`. It is to come in one fragment: of 24 bytes, it
 * fits any datagram.
 */
export function confirmFinished(
  crypto: CryptoProvider,
  session: PendingSession,
  sender: 'client' | 'server',
  plaintext: Uint8Array,
): HandshakeMessage | undefined {
  const fragment = readHandshakeFragment(new ByteReader(plaintext))
  if (fragment?.type !== HandshakeType.finished || fragment.messageSequence !== session.finishedSequence) {
    return undefined
  }
  const expected = finishedMessage(
    crypto,
    session.master,
    sender,
    session.finishedSequence,
    session.transcript,
  )
  return equalConstantTime(fragment.body, expected.body) ? expected : undefined
}
