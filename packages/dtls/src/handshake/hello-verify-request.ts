import { sealDatagram, type WriteEpoch } from '../record-protection.ts'
import { handshakeMessage } from '../wire/handshake.ts'
import { encodeHelloVerifyRequest } from '../wire/hello.ts'
import { ContentType, DTLS_1_0, HandshakeType } from '../wire/protocol.ts'

/** A datagram with a HelloVerifyRequest, RFC 6347 section 4.2.1: it is in no flight, and made anew for whoever asks again. */
export function helloVerifyRequest(
  cookie: Uint8Array,
  messageSequence: number,
  epoch: WriteEpoch,
): Uint8Array {
  const { bytes } = handshakeMessage(
    HandshakeType.helloVerifyRequest,
    messageSequence,
    encodeHelloVerifyRequest(cookie),
  )
  return sealDatagram(epoch, ContentType.handshake, DTLS_1_0, bytes)
}
