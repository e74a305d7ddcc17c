import { SeededRandom } from '@str0m/sans-io'
import type { Path } from './support.ts'

/** Changes some bytes, cuts, or joins. */
export function mutate(random: SeededRandom, genuine: Uint8Array): Uint8Array {
  const bytes = genuine.slice()
  const kind = random.integer(8)
  if (kind === 0) return bytes.subarray(0, random.integer(bytes.length))
  if (kind === 1) {
    const doubled = new Uint8Array(bytes.length * 2)
    doubled.set(bytes)
    doubled.set(bytes, bytes.length)
    return doubled
  }
  const count = 1 + random.integer(4)
  for (let i = 0; i < count; i++) bytes[random.integer(bytes.length)] = random.u32()
  return bytes
}

/** An attacker on the path who injects `forgeries` datagrams around the genuine ones, and takes none away; the network may. */
export function injector(seed: number, forgeries: number, loss: number): Path {
  const random = new SeededRandom(seed)
  let left = forgeries
  return (contents) => {
    const arriving = loss > 0 && random.chance(loss) ? [] : [{ contents, delay: 1 }]
    for (let i = 0; i < 3 && left > 0; i++, left--) {
      arriving.push({ contents: mutate(random, contents), delay: random.chance(0.5) ? 0.5 : 1.5 })
    }
    return arriving
  }
}
