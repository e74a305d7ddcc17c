import { type Instant, writeU16, writeU32 } from '@str0m/sans-io'
import { type IceTransmit, parseStun, StunBinding, writeStun } from '@str0m/stun-ice'
import { check, drain, wake } from '../check.ts'
import { fuzzCrypto } from '../crypto.ts'
import { counted, FuzzInput, program } from '../input.ts'

// The question to a STUN server, and answers of any content with the right transaction id.

const SERVER = { address: '198.51.100.1', port: 3478 }
const BASE = { address: '192.0.2.1', port: 5000 }

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  const binding = new StunBinding({ server: SERVER, base: BASE, crypto: fuzzCrypto(7) })
  let now: Instant = 0
  let finished = 0
  const take = ({ transmits, events }: { transmits: IceTransmit[]; events: { type: string }[] }): void => {
    check(transmits.length <= 1, 'one request at a time')
    finished += events.length
    check(finished <= 1, 'it ends once')
  }
  const first = wake(binding, now)
  take(first)
  const id = first.transmits[0]!.contents.subarray(8, 20)
  for (let ops = 0; ops < 100 && !input.done; ops++) {
    const op = input.u8()
    if ((op & 3) === 0) {
      now += input.u16()
      take(wake(binding, now))
      continue
    }
    const attributes = input.bytes()
    const contents = new Uint8Array(20 + 4 * Math.ceil(attributes.length / 4))
    writeU16(contents, 0, [0x0101, 0x0111, 0x0001, 0x0103][(op >> 2) & 3]!)
    writeU16(contents, 2, contents.length - 20)
    writeU32(contents, 4, 0x2112_a442)
    contents.set(id, 8)
    contents.set(attributes, 20)
    if ((op & 3) === 3) contents[input.u8() % contents.length]! ^= input.u8()
    binding.accepts(contents)
    parseStun(contents)
    const source = (op & 16) === 0 ? SERVER : BASE
    binding.handleInput({ kind: 'receive', now, proto: 'udp', source, destination: BASE, contents })
    take(drain(binding))
  }
  for (let { at } = drain(binding); Number.isFinite(at); { at } = drain(binding)) take(wake(binding, at))
  check(finished === 1, 'it ends')
}

export function seeds(): Uint8Array[] {
  const transactionId = new Uint8Array(12)
  const mapped = writeStun(
    { class: 'success', method: 1, transactionId, xorMappedAddress: { address: '203.0.113.1', port: 9 } },
    { fingerprint: false },
  )
  const error = writeStun(
    { class: 'error', method: 1, transactionId, errorCode: { code: 500, reason: 'x' } },
    { fingerprint: false },
  )
  return [
    program(1, counted(mapped.subarray(20))),
    program(0, 2, 0, 5, counted(error.subarray(20))),
    program(17, counted(mapped.subarray(20)), 0, 255, 255, 3, counted(mapped.subarray(20)), 9, 1),
  ]
}
