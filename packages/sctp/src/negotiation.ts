import { readU32 } from '@str0m/sans-io'
import type { Settings } from './options.ts'
import type { Agreement } from './transfer.ts'
import { INITIAL_WINDOW } from './window-tuner.ts'
import { type Init, writeInit } from './wire/init.ts'

/** What an endpoint calls itself in one handshake. */
export interface LocalIdentity {
  readonly tag: number
  readonly initialTsn: number
}

export function newIdentity(settings: Settings): LocalIdentity {
  const random = settings.crypto.randomBytes(8)
  // RFC 9260 section 5.3.1: a tag is not 0
  return { tag: readU32(random, 0) || 1, initialTsn: readU32(random, 4) }
}

/**
 * The value of an INIT, or of an INIT ACK with `cookie`. `zeroChecksum`: whether it says, where it may, that checksums are not needed. It is
 * the one parameter that is not in all stacks, and Pion drops a chunk with a parameter that it does not know, against RFC 9260 section 3.2.1.
 */
export function makeOffer(
  settings: Settings,
  local: LocalIdentity,
  zeroChecksum: boolean,
  unrecognized: readonly Uint8Array[] = [],
  cookie?: Uint8Array,
): Uint8Array {
  const { receiveWindow, streams, interleaving } = settings
  return writeInit({
    initiateTag: local.tag,
    initialTsn: local.initialTsn,
    receiverWindow: Math.min(receiveWindow, INITIAL_WINDOW),
    outboundStreams: streams,
    inboundStreams: streams,
    extensions: {
      forwardTsn: true,
      reConfig: true,
      zeroChecksum: zeroChecksum && settings.zeroChecksum,
      interleaving,
    },
    unrecognized,
    ...(cookie === undefined ? {} : { cookie }),
  })
}

/** What follows from the peer's INIT or INIT ACK, and from whether ours had `zeroChecksum`. */
export function agree(
  settings: Settings,
  local: LocalIdentity,
  init: Init,
  zeroChecksum: boolean,
): Agreement {
  const { streams } = settings
  return {
    localTag: local.tag,
    localInitialTsn: local.initialTsn,
    peerTag: init.initiateTag,
    peerInitialTsn: init.initialTsn,
    peerWindow: init.receiverWindow,
    outboundStreams: Math.min(streams, init.inboundStreams),
    inboundStreams: Math.min(streams, init.outboundStreams),
    peerExtensions: { ...init.extensions, zeroChecksum: zeroChecksum && init.extensions.zeroChecksum },
  }
}
