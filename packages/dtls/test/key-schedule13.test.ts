import { createHash, createHmac } from 'node:crypto'
import { nativeCrypto, portableCrypto } from '@str0m/crypto'
import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { CIPHER_SUITES_13, type CipherSuite13 } from '../src/cipher-suites13.ts'
import { HandshakeSecret } from '../src/key-schedule13.ts'

// A slow and obvious twin: RFC 8446 section 7.1 and RFC 5869, word for word.

function hkdfExtract(hash: string, salt: Buffer, keyingMaterial: Buffer): Buffer {
  return createHmac(hash, salt).update(keyingMaterial).digest()
}

function hkdfExpand(hash: string, key: Buffer, info: Buffer, length: number): Buffer {
  let block = Buffer.alloc(0)
  let all = Buffer.alloc(0)
  for (let n = 1; all.length < length; n++) {
    block = createHmac(hash, key)
      .update(Buffer.concat([block, info, Buffer.of(n)]))
      .digest()
    all = Buffer.concat([all, block])
  }
  return all.subarray(0, length)
}

class Twin {
  readonly hash: string
  readonly prefix: string
  readonly length: number

  constructor(hash: string, prefix: string) {
    this.hash = hash
    this.prefix = prefix
    this.length = createHash(hash).digest().length
  }

  expandLabel(secret: Buffer, label: string, context: Buffer, length: number): Buffer {
    const name = Buffer.from(this.prefix + label)
    const head = Buffer.of(length >> 8, length & 0xff, name.length)
    const info = Buffer.concat([head, name, Buffer.of(context.length), context])
    return hkdfExpand(this.hash, secret, info, length)
  }

  /** Derive-Secret, over the hash of messages. */
  derive(secret: Buffer, label: string, transcriptHash: Buffer): Buffer {
    return this.expandLabel(secret, label, transcriptHash, this.length)
  }

  ofNothing(): Buffer {
    return createHash(this.hash).digest()
  }

  early(): Buffer {
    return hkdfExtract(this.hash, Buffer.alloc(this.length), Buffer.alloc(this.length))
  }

  handshake(shared: Buffer): Buffer {
    return hkdfExtract(this.hash, this.derive(this.early(), 'derived', this.ofNothing()), shared)
  }

  master(shared: Buffer): Buffer {
    const derived = this.derive(this.handshake(shared), 'derived', this.ofNothing())
    return hkdfExtract(this.hash, derived, Buffer.alloc(this.length))
  }
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex')
}

function bytes(seed: number, length: number): Uint8Array {
  const filled = new Uint8Array(length)
  new SeededRandom(seed).fill(filled)
  return filled
}

describe('the twin, with the label prefix of TLS 1.3, has the numbers of RFC 8448 section 3', () => {
  const tls = new Twin('sha256', 'tls13 ')
  const shared = hex('8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d')
  const helloHash = hex('860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8')

  it.each([
    ['early', tls.early(), '33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a'],
    ['handshake', tls.handshake(shared), '1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac'],
    ['master', tls.master(shared), '18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919'],
    [
      'client handshake traffic',
      tls.derive(tls.handshake(shared), 'c hs traffic', helloHash),
      'b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21',
    ],
    [
      'server handshake traffic',
      tls.derive(tls.handshake(shared), 's hs traffic', helloHash),
      'b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38',
    ],
  ])('%s secret', (_, secret, expected) => {
    expect(secret.toString('hex')).toBe(expected)
  })

  it('key and iv of the server', () => {
    const secret = tls.derive(tls.handshake(shared), 's hs traffic', helloHash)
    const none = Buffer.alloc(0)
    expect(tls.expandLabel(secret, 'key', none, 16).toString('hex')).toBe('3fce516009c21727d0f2e4e86ee403bc')
    expect(tls.expandLabel(secret, 'iv', none, 12).toString('hex')).toBe('5d313eb2671276ee13000b30')
  })
})

describe('the key schedule is the twin with the label prefix of DTLS 1.3', () => {
  const cases = CIPHER_SUITES_13.flatMap((suite) =>
    [nativeCrypto(), portableCrypto()].map((crypto) => [suite.name, crypto.name, suite, crypto] as const),
  )
  it.each(cases)('%s, %s', (_name, _provider, suite: CipherSuite13, crypto) => {
    const twin = new Twin(suite.hash, 'dtls13')
    const none = Buffer.alloc(0)
    for (let seed = 1; seed <= 5; seed++) {
      const shared = bytes(seed, seed === 5 ? 48 : 32)
      const hello = crypto.hash(suite.hash, bytes(seed + 10, 300))
      const finished = crypto.hash(suite.hash, bytes(seed + 20, 300))
      const ours = new HandshakeSecret(crypto, suite, shared)
      const application = ours.application(finished)
      const [handshakeSecret, master] = [
        twin.handshake(Buffer.from(shared)),
        twin.master(Buffer.from(shared)),
      ]
      for (const role of ['client', 'server'] as const) {
        for (const [secret, expected] of [
          [
            ours.trafficSecrets(hello)[role],
            twin.derive(handshakeSecret, `${role[0]} hs traffic`, Buffer.from(hello)),
          ],
          [application.traffic[role], twin.derive(master, `${role[0]} ap traffic`, Buffer.from(finished))],
          [
            application.traffic[role].next(),
            twin.derive(
              twin.derive(master, `${role[0]} ap traffic`, Buffer.from(finished)),
              'traffic upd',
              none,
            ),
          ],
        ] as const) {
          expect(Buffer.from(secret.key())).toEqual(twin.expandLabel(expected, 'key', none, suite.keyLength))
          expect(Buffer.from(secret.iv())).toEqual(twin.expandLabel(expected, 'iv', none, 12))
          expect(Buffer.from(secret.recordNumberKey())).toEqual(
            twin.expandLabel(expected, 'sn', none, suite.keyLength),
          )
          const key = twin.derive(expected, 'finished', none)
          const verifyData = createHmac(suite.hash, key).update(hello).digest()
          expect(Buffer.from(secret.verifyData(hello))).toEqual(verifyData)
        }
      }
      const exporter = twin.derive(master, 'exp master', Buffer.from(finished))
      const derived = twin.derive(exporter, 'EXTRACTOR-dtls_srtp', twin.ofNothing())
      for (const [context, length] of [
        [none, 60],
        [Buffer.from('context'), 200],
      ] as const) {
        const contextHash = createHash(suite.hash).update(context).digest()
        expect(Buffer.from(application.exporter.export('EXTRACTOR-dtls_srtp', context, length))).toEqual(
          twin.expandLabel(derived, 'exporter', contextHash, length),
        )
      }
    }
  })
})
