import { ByteReader } from '@str0m/sans-io'
import { CookieExchange } from '@str0m/dtls'
import { HandshakeReassembly, REASSEMBLY_BYTES_MAX } from '../../../../packages/dtls/src/reassembly.ts'
import { parseAlert } from '../../../../packages/dtls/src/wire/alert.ts'
import {
  encodeCertificate,
  isEmptyCertificate,
  parseCertificate,
  parseCertificateRequest,
  parseCertificateVerify,
} from '../../../../packages/dtls/src/wire/certificates.ts'
import { handshakeFragment, readHandshakeFragment } from '../../../../packages/dtls/src/wire/handshake.ts'
import {
  encodeClientHello,
  encodeHelloVerifyRequest,
  encodeServerHello,
  parseClientHello,
  parseClientHelloPrefix,
  parseHelloVerifyRequest,
  parseServerHello,
} from '../../../../packages/dtls/src/wire/hello.ts'
import {
  encodeClientKeyExchange,
  encodeSigned,
  parseClientKeyExchange,
  parseServerKeyExchange,
} from '../../../../packages/dtls/src/wire/key-exchange.ts'
import { emptyRecordHeader, readRecord } from '../../../../packages/dtls/src/wire/record.ts'
import { check, sameBytes } from '../check.ts'
import { fuzzCrypto } from '../crypto.ts'
import { capture } from '../fixtures.ts'
import { counted, FuzzInput, program } from '../input.ts'
import { isDeepStrictEqual } from 'node:util'

// Each parser of DTLS by itself, the reassembly of fragments, and the cookie exchange, which keeps nothing.

const ADDRESS = { address: '192.0.2.1', port: 4000 }
const BODY = new Uint8Array(40_000).map((_, i) => i)
const cookies = new CookieExchange({ crypto: fuzzCrypto(3) })

const PARSERS: readonly ((body: Uint8Array) => void)[] = [
  (body) => {
    const prefix = parseClientHelloPrefix(body)
    const hello = parseClientHello(body)
    if (hello === undefined) return
    check(
      prefix !== undefined && sameBytes(prefix.random, hello.random),
      'a hello has the prefix that it has',
    )
    const written = parseClientHello(encodeClientHello(hello))
    check(written !== undefined, 'a hello is read as it was written')
    check(isDeepStrictEqual(written.cipherSuites, hello.cipherSuites), 'with its cipher suites')
    const { types: _, ...extensions } = hello.extensions
    const { types: __, ...reread } = written.extensions
    check(isDeepStrictEqual(reread, extensions), 'and its extensions')
  },
  (body) => {
    const hello = parseServerHello(body)
    if (hello === undefined) return
    check(parseServerHello(encodeServerHello(hello))?.cipherSuite === hello.cipherSuite, 'a server hello too')
  },
  (body) => {
    const cookie = parseHelloVerifyRequest(body)
    if (cookie === undefined) return
    const again = parseHelloVerifyRequest(encodeHelloVerifyRequest(cookie))
    check(again !== undefined && sameBytes(again, cookie), 'a cookie is read as it was written')
  },
  (body) => {
    isEmptyCertificate(body)
    const chain = parseCertificate(body)
    if (chain !== undefined)
      check(sameBytes(encodeCertificate(chain), body), 'a chain is read as it was written')
  },
  (body) => {
    const request = parseCertificateRequest(body)
    check((request?.signatureAlgorithms.length ?? 0) * 2 <= body.length, 'a list is no more than its bytes')
  },
  (body) => {
    parseCertificateVerify(body)
    parseAlert(body)
  },
  (body) => {
    const exchange = parseServerKeyExchange(body)
    if (exchange === undefined) return
    const { params, signatureAlgorithm, signature } = exchange
    check(
      sameBytes(encodeSigned(params, signatureAlgorithm, signature), body),
      'a share is read as it was written',
    )
  },
  (body) => {
    const share = parseClientKeyExchange(body)
    if (share !== undefined) check(sameBytes(encodeClientKeyExchange(share), body), 'a share too')
  },
  (datagram) => {
    const header = emptyRecordHeader()
    let before = 0
    for (let at = 0; readRecord(datagram, at, header); at = header.end) {
      check(header.end > before && header.end <= datagram.length, 'records go on to the end')
      check(header.start >= at + 13 && header.start <= header.end, 'a record lies in the datagram')
      before = header.end
      const reader = new ByteReader(datagram, header.start, header.end)
      for (;;) {
        const fragment = readHandshakeFragment(reader)
        if (fragment === undefined) break
        check(fragment.offset + fragment.body.length <= fragment.length, 'a fragment lies in its message')
      }
    }
    const verdict = cookies.handleDatagram(datagram, ADDRESS)
    if (verdict.kind === 'reply') check(verdict.contents.length <= datagram.length, 'an answer is no longer')
  },
]

function reassemble(input: FuzzInput): void {
  const reassembly = new HandshakeReassembly()
  for (let i = 0; i < 400 && !input.done; i++) {
    const type = input.below(4)
    const messageSequence = input.below(14)
    const length = input.below(3) === 0 ? input.u16() : input.u8()
    const offset = Math.min(input.below(2) === 0 ? input.u8() : input.u16(), length)
    const end = Math.min(length, offset + input.u8() * (1 + input.below(60)))
    const shift = input.below(2)
    const part = BODY.subarray(offset + shift, end + shift)
    const result = reassembly.add({ type, length, messageSequence, offset, body: part })
    const message = reassembly.message(messageSequence)
    check(reassembly.byteLength <= REASSEMBLY_BYTES_MAX, 'what is kept is bounded')
    if (result !== 'changed') continue
    check(message !== undefined && message.body.length === length, 'a message that is whole is there')
    const first = handshakeFragment(message, 0, Math.min(5, length))
    check(first.length >= 12, 'and can be fragmented again')
  }
}

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  const kind = input.below(PARSERS.length + 1)
  if (kind === PARSERS.length) reassemble(input)
  else PARSERS[kind]!(input.rest())
}

export function seeds(): Uint8Array[] {
  const captures = ['chromium', 'firefox'].flatMap((name) =>
    capture(`packages/dtls/test/fixtures/${name}-dtls-clienthello.hex`),
  )
  const extensions = {
    extendedMasterSecret: true,
    supportedGroups: [29, 23],
    ecPointFormats: Uint8Array.of(0),
    signatureAlgorithms: [0x0403],
    useSrtp: { profiles: [7, 1], mki: new Uint8Array(0) },
    renegotiationInfo: new Uint8Array(0),
  }
  const random = new Uint8Array(32)
  const cookie = new Uint8Array(20)
  return [
    ...captures.map((datagram) => program(8, datagram)),
    program(0, encodeClientHello({ random, cookie, cipherSuites: [0xc02b, 0xc02f], extensions })),
    program(1, encodeServerHello({ random, cipherSuite: 0xc02b, extensions })),
    program(2, encodeHelloVerifyRequest(cookie)),
    program(3, encodeCertificate([Uint8Array.of(0x30, 0), Uint8Array.of(1, 2, 3)])),
    program(4, 1, 64, 0, 2, 4, 3, 0, 0),
    program(5, 4, 3, 0, 2, 1, 2),
    program(5, 2, 40),
    program(6, 3, 0, 29, counted(new Uint8Array(32)), 4, 3, 0, 2, 1, 2),
    program(7, counted(new Uint8Array(32))),
    program(9, 1, 0, 1, 40, 0, 0, 20, 0, 0, 1, 0, 1, 40, 0, 20, 20, 0, 0, 1, 0, 1, 40, 0, 5, 20, 0, 1),
  ]
}
