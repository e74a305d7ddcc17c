import { SeededRandom } from '@str0m/sans-io'
import { expect, it } from 'vitest'
import { runAlone } from '../../../vitest.alone.ts'
import { nativeCrypto } from '../src/index.ts'

it('never hands out the same random bytes twice', () => {
  const crypto = nativeCrypto()
  const seen = new Set<string>()
  for (let i = 0; i < 5000; i++) seen.add(Buffer.from(crypto.randomBytes(8 + (i % 90))).toString('hex'))
  expect(seen.size).toBe(5000)
  expect(crypto.randomBytes(0)).toHaveLength(0)
})

it('signs deterministically with a seeded source', () => {
  const key = nativeCrypto({ random: new SeededRandom(1).fill }).generateSigningKey()
  const again = nativeCrypto({ random: new SeededRandom(1).fill }).importSigningKey(key.exportPkcs8())
  const data = new Uint8Array([1, 2, 3])
  expect(again.sign(data)).toEqual(key.sign(data))
  expect(nativeCrypto().importVerifyingKey(key.publicKey)!.verify('ecdsa-sha256', data, key.sign(data))).toBe(
    true,
  )
})
it.each(['x25519', 'secp256r1', 'secp384r1'] as const)('%s', (group) => {
  const a = nativeCrypto().generateKeyExchange(group)
  const b = nativeCrypto().generateKeyExchange(group)
  expect(a.deriveSecret(b.publicKey)).toEqual(b.deriveSecret(a.publicKey))
  expect(a.deriveSecret(new Uint8Array(32))).toBeUndefined()
})

it('makes keys while garbage is collected', async () => {
  const { exported } = await runAlone<{ exported: number }>(new URL('alone/keys.ts', import.meta.url), [
    '--max-semi-space-size=1',
  ])
  expect(exported).toBe(2000)
}, 90_000)
