// Makes keys while garbage is collected all the time, in a process of its own: Node 20 hangs where a key's lock is waited for meanwhile.
import { nativeCrypto } from '../../src/index.ts'

const KEYS = 20_000

const crypto = nativeCrypto()
const peer = crypto.generateKeyExchange('x25519').publicKey
let exported = 0
for (let i = 0; i < KEYS; i++) {
  const key = crypto.generateSigningKey()
  key.sign(key.publicKey)
  if (crypto.generateKeyExchange('x25519').deriveSecret(peer) === undefined) throw new Error('no secret')
  if (i % 10 === 0 && key.exportPkcs8().length > 0) exported++
}
console.log(JSON.stringify({ exported }))
