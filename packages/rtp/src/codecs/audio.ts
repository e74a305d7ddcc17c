import type { DepacketizedFrame, Depacketizer } from './depacketizer.ts'

/** Opus (RFC 7587 section 4.2) and G.711 (RFC 3551 section 4.5.14): a payload is a frame. */
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
