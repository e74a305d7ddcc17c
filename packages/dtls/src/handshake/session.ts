import type { ByteWriter } from '@str0m/sans-io'
import { type CryptoProvider, equalConstantTime } from '@str0m/crypto'
import type { ConnectionContext } from '../connection.ts'
import type { Connection12Parameters } from '../connection12.ts'
import { type MasterSecret, trafficKeys, verifyData } from '../key-schedule.ts'
import type { PeerCertificate } from '../peer-certificate.ts'
import { ReadEpoch, WriteEpoch } from '../record-protection.ts'
import type { SrtpProfile } from '../srtp-profiles.ts'
import { handshakeMessage, type HandshakeMessage } from '../wire/handshake.ts'
import { ContentType, HandshakeType } from '../wire/protocol.ts'
import type { RecordHeader } from '../wire/record.ts'
import type { RecordVerdict } from './context.ts'

/** A session with keys, to be confirmed by the peer's Finished. */
export interface PendingSession extends Connection12Parameters {
  /** Our Finished. */
  readonly finished: HandshakeMessage
  /** The Finished that the peer must send: all that it says is known before. */
  readonly peerFinished: HandshakeMessage
}

/** What a session comes from, on either side. */
export interface SessionParameters {
  readonly role: 'client' | 'server'
  readonly master: MasterSecret
  readonly peerCertificate: PeerCertificate | undefined
  readonly srtpProfile: SrtpProfile | undefined
  /** All messages before the client's Finished, RFC 4347 section 4.2.6. */
  readonly transcript: ByteWriter
  /** The `message_seq` of the client's Finished, and of the server's. */
  readonly finishedSequences: { readonly client: number; readonly server: number }
}

/** Derives the keys of both directions, and both Finished. The transcript is used up. */
export function makeSession(crypto: CryptoProvider, parameters: SessionParameters): PendingSession {
  const { role, master, peerCertificate, srtpProfile, transcript, finishedSequences } = parameters
  const { suite } = master
  const keys = trafficKeys(master)
  const peer = role === 'client' ? 'server' : 'client'
  const clientData = verifyData(crypto, master, 'client', transcript.written)
  const client = handshakeMessage(HandshakeType.finished, finishedSequences.client, clientData)
  // RFC 5246 section 7.4.9: the server's is over the client's too
  const serverData = verifyData(crypto, master, 'server', transcript.bytes(client.bytes).written)
  const server = handshakeMessage(HandshakeType.finished, finishedSequences.server, serverData)
  return {
    master,
    read: new ReadEpoch({ crypto, suite, keys: keys[peer] }),
    write: new WriteEpoch({ crypto, suite, keys: keys[role] }),
    peerCertificate,
    srtpProfile,
    finished: role === 'client' ? client : server,
    peerFinished: role === 'client' ? server : client,
  }
}

/**
 * Tries the sessions, the newest first, on a record of epoch 1 before both Finished. `confirm` is called with a session whose Finished the
 * record holds.
 */
export function handleFirstProtected(
  context: ConnectionContext,
  sessions: readonly PendingSession[],
  datagram: Uint8Array,
  header: RecordHeader,
  confirm: (session: PendingSession) => void,
): RecordVerdict {
  const { counters } = context
  // what may be read after the Finished alone
  if (header.type === ContentType.applicationData || sessions.length === 0) return 'no-keys'
  for (let i = sessions.length - 1; i >= 0; i--) {
    const session = sessions[i]!
    if (session.read.isReplay(header)) continue
    const plaintext = session.read.open(datagram, header)
    if (plaintext === undefined) continue
    if (header.type === ContentType.handshake) {
      if (confirmsSession(session, plaintext)) confirm(session)
      else counters.refuse('bad-finished')
    } else if (header.type === ContentType.alert) {
      context.handleAlert(session.write, plaintext)
    } else {
      counters.drop('unexpected-record')
    }
    return 'handled'
  }
  return 'rejected'
}

/**
 * Whether `plaintext` is the Finished that confirms `session`. It is to come in one fragment: of 24 bytes, it fits any
 * datagram.
 */
function confirmsSession(session: PendingSession, plaintext: Uint8Array): boolean {
  const { bytes } = session.peerFinished
  return equalConstantTime(plaintext.subarray(0, bytes.length), bytes)
}
