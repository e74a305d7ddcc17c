// Makes signing keys while garbage is collected all the time, in a process of its own: Node 20 hangs where a key's lock is waited for meanwhile.
import { nativeCrypto } from '../../src/index.ts'

const KEYS = 20_000

const crypto = nativeCrypto()
let exported = 0
for (let i = 0; i < KEYS; i++) {
  const key = crypto.generateSigningKey()
  key.sign(key.publicKey)
  if (i % 10 === 0 && key.exportPkcs8().length > 0) exported++
}
console.log(JSON.stringify({ exported }))
