// The WebAssembly of wasm/packet.wat: where it runs, it is several times as fast as JavaScript. One instance for
// all: it holds one packet, during one call.
import { assert, fromBase64 } from '@str0m/sans-io'
import { PACKET_WASM } from './packet-wasm.ts'

/** The longest packet, header and payload, that fits. */
export const KERNEL_PACKET_MAX = 24_000
/** The longest header (associated data) that fits. */
export const KERNEL_HEADER_MAX = 1024
/** Where things lie in the memory, as wasm/packet.wat has it. */
export const KERNEL_PAYLOAD_AT = 4096
export const KERNEL_KEYSTREAM_AT = 40_960
/** Bytes of the memory's tables. */
export const KERNEL_TABLES_LENGTH = 2048

export interface PacketKernel {
  readonly bytes: Uint8Array
  xor(length: number, skip: number): void
  seal(header: number, length: number): void
  open(header: number, length: number): number
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
    const { memory, xor, seal, open } = instance.exports as Omit<PacketKernel, 'bytes'> & {
      memory: { buffer: ArrayBuffer }
    }
    return { bytes: new Uint8Array(memory.buffer), xor, seal, open }
  } catch {
    // no vectors, or a policy against code from bytes
    return undefined
  }
}
