// The WebAssembly of wasm/packet.wat: where it runs, it is several times as fast as JavaScript. One instance for
// all: it holds one packet, during one call, and what it needs of the keys that are busy.
import { assert, fromBase64 } from '@str0m/sans-io'
import { PACKET_WASM } from './packet-wasm.ts'

/** The longest packet, header and payload, that fits. */
export const KERNEL_PACKET_MAX = 24_000
/** The longest header (associated data) that fits. */
export const KERNEL_HEADER_MAX = 1024
/** Counter blocks that fit. */
export const KERNEL_COUNTER_BLOCKS_MAX = 2432
/** Where things lie in the memory, as wasm/packet.wat has it. */
export const KERNEL_PAYLOAD_AT = 4096
export const KERNEL_KEYSTREAM_AT = 40_960
export const KERNEL_COUNTERS_AT = 65_536
const TABLES_AT = 106_496
/** Bytes of one key's tables, and of what they are made of. */
const TABLES_LENGTH = 12_800
const PREPARED_LENGTH = 560
/** Keys whose tables are kept: 3.1 MiB where so many are busy. */
export const KERNEL_KEYS_MAX = 256

export interface PacketKernel {
  readonly bytes: Uint8Array
  xor(length: number, skip: number): void
  counters(at: number, count: number, word0: number, word1: number, word2: number, word3: number): void
  prepare(tables: number): void
  expand(tables: number): void
  seal(tables: number, header: number, length: number): void
  open(tables: number, header: number, length: number): number
}

interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

declare const WebAssembly: WebAssemblyApi | undefined

let kernel: PacketKernel | undefined
let tried = false

/** `undefined` where the runtime has no WebAssembly with vectors, or forbids it. */
export function packetKernel(): PacketKernel | undefined {
  if (!tried) {
    tried = true
    kernel = instantiate()
  }
  return kernel
}

function instantiate(): PacketKernel | undefined {
  if (typeof WebAssembly === 'undefined') return undefined
  const wasm = fromBase64(PACKET_WASM)
  assert(wasm !== undefined, 'the module is base64')
  try {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm))
    const { memory, xor, counters, prepare, expand, seal, open } = instance.exports as Omit<
      PacketKernel,
      'bytes'
    > & {
      memory: { buffer: ArrayBuffer }
    }
    return { bytes: new Uint8Array(memory.buffer), xor, counters, prepare, expand, seal, open }
  } catch {
    // no vectors, or a policy against code from bytes
    return undefined
  }
}

/** Whose tables lie in each place. */
const owners: KernelKey[] = []
let evictions = 1

/** A hash key of GHASH, NIST SP 800-38D section 6.4. Its tables are in the kernel's memory while it is one of the keys that are busy. */
export class KernelKey {
  readonly #kernel: PacketKernel
  /** What the tables are made of, in half of the time that a packet takes. */
  readonly #prepared: Uint8Array
  #place = -1

  constructor(kernel: PacketKernel, hashKey: Uint8Array) {
    assert(hashKey.length === 16, 'a hash key has 16 bytes')
    this.#kernel = kernel
    const at = this.#takePlace()
    kernel.bytes.set(hashKey, at)
    kernel.prepare(at)
    this.#prepared = kernel.bytes.slice(at, at + PREPARED_LENGTH)
    kernel.expand(at)
  }

  /** Where the tables are, for one call of the kernel. Where they had to go for those of another key, they are made again. */
  get tables(): number {
    const place = this.#place
    return owners[place] === this ? TABLES_AT + place * TABLES_LENGTH : this.#restore()
  }

  #restore(): number {
    const at = this.#takePlace()
    this.#kernel.bytes.set(this.#prepared, at)
    this.#kernel.expand(at)
    return at
  }

  #takePlace(): number {
    this.#place = owners.length < KERNEL_KEYS_MAX ? owners.length : victim()
    owners[this.#place] = this
    return TABLES_AT + this.#place * TABLES_LENGTH
  }
}

/** Any one: of keys that are used in turn, the oldest is the one that is needed next. */
function victim(): number {
  // a linear congruential generator; its high bits are the better ones
  evictions = (Math.imul(evictions, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((evictions / 0x1_0000_0000) * KERNEL_KEYS_MAX)
}
