// Assembles packet.wat. `node wasm/assemble.mjs` writes src/packet-wasm.ts; with --check it exits with 1 where that is
// not what would be written.
import { readFileSync, writeFileSync } from 'node:fs'
import loadWabt from 'wabt'

const target = new URL('../src/packet-wasm.ts', import.meta.url)
const wabt = await loadWabt()
const text = readFileSync(new URL('packet.wat', import.meta.url), 'utf8')
const parsed = wabt.parseWat('packet.wat', text, { simd: true, bulk_memory: true })
parsed.resolveNames()
parsed.validate()
const { buffer } = parsed.toBinary({ log: false, write_debug_names: false })
const lines = Buffer.from(buffer)
  .toString('base64')
  .match(/.{1,96}/g)
const source = `// Written by wasm/assemble.mjs out of wasm/packet.wat: do not edit.
export const PACKET_WASM: string = [
${lines.map((line) => `  '${line}',`).join('\n')}
].join('')
`
if (!process.argv.includes('--check')) writeFileSync(target, source)
else if (readFileSync(target, 'utf8') !== source) process.exitCode = 1
