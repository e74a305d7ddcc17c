import type { DepacketizedFrame, Depacketizer } from './depacketizer.ts'

/** Opus (RFC 7587 section 4.2), G.711 and G.722 (RFC 3551 sections 4.5.14 and 4.5.2), comfort noise (RFC 3389), telephone events (RFC 4733): a payload is a frame. */
class WholePayload implements Depacketizer {
  readonly onePacketPerFrame = true

  startsFrame(): boolean {
    return true
  }

  startsKeyframe(): boolean {
    return true
  }

  assemble(payloads: readonly Uint8Array[]): DepacketizedFrame | undefined {
    const payload = payloads[0]
    return payload === undefined || payload.length === 0
      ? undefined
      : { data: new Uint8Array(payload), keyframe: true }
  }
}

export const wholePayloadDepacketizer: Depacketizer = new WholePayload()
