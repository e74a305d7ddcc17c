// What a protocol does with a keystream that it made itself, ahead of its packets, out of `AesBlocks`.
import { viewOf } from './bytes.ts'
import { checkLength } from './check-usage.ts'
import {
  KERNEL_HEADER_MAX,
  KERNEL_KEYSTREAM_AT,
  KERNEL_PACKET_MAX,
  KERNEL_PAYLOAD_AT,
  KernelKey,
  packetKernel,
  type PacketKernel,
} from './packet-kernel.ts'

const TAG_LENGTH = 16
/** Below, the copies in and out cost more than they save. */
const KERNEL_XOR_MIN = 96
/** Bytes behind a packet that are copied in with it rather than cut off. */
const SLACK = 64
/** Views of payloads that are kept, since making one costs as much as copying a packet: those of datagrams. */
const VIEW_MAX = 2048

const views: (Uint8Array | undefined)[] = []

/** The first `length` bytes of the payload in the kernel's memory. */
function payloadOf(bytes: Uint8Array, length: number): Uint8Array {
  const known = views[length]
  if (known !== undefined) return known
  const view = bytes.subarray(KERNEL_PAYLOAD_AT, KERNEL_PAYLOAD_AT + length)
  if (length <= VIEW_MAX) views[length] = view
  return view
}

/**
 * XORs the bytes from `start` up to `end`, which are there, with `keystream`, from `at` on. Throws a `UsageError` (`invalid-length`) where that has fewer bytes left: the rest
 * would go out as it is.
 */
export function xorKeystream(
  bytes: Uint8Array,
  start: number,
  end: number,
  keystream: Uint8Array,
  at: number,
): void {
  const length = end - start
  checkLength(at + length <= keystream.length, 'a keystream that is too short')
  const kernel = length >= KERNEL_XOR_MIN && length <= KERNEL_PACKET_MAX ? packetKernel() : undefined
  if (kernel === undefined) {
    for (let i = start, j = at; i < end; i++, j++) bytes[i]! ^= keystream[j]!
    return
  }
  kernel.bytes.set(viewOf(bytes, start, end), KERNEL_PAYLOAD_AT)
  kernel.bytes.set(viewOf(keystream, at, at + length), KERNEL_KEYSTREAM_AT)
  kernel.xor(length, 0)
  bytes.set(payloadOf(kernel.bytes, length), start)
}

/**
 * AES-GCM (NIST SP 800-38D) in place, over a keystream that the caller made: the encrypted counter blocks of
 * the packet's nonce of 96 bits, from the counter 1 on. The first masks the tag. In a time, and by addresses, that depend on no secret.
 */
export interface KeystreamGcm {
  /** Whether a packet of `length` bytes, tag apart, with this header fits: use an `Aead` for those that do not. */
  fits(header: number, length: number): boolean
  /**
   * Encrypts `packet` from `header` up to `length`, with what is before as associated data, and writes the tag of
   * 16 bytes behind. The keystream of `ceil((length - header) / 16) + 1` blocks starts at `at`.
   */
  seal(packet: Uint8Array, header: number, length: number, keystream: Uint8Array, at: number): void
  /** The reverse, where the tag at `length` matches. Else false, and `packet` is as it was. */
  open(packet: Uint8Array, header: number, length: number, keystream: Uint8Array, at: number): boolean
}

/**
 * Sets up GCM under the hash key `hashKey`: sixteen zeros, encrypted (section 6.4). `undefined` where the runtime has no
 * WebAssembly with vectors, or forbids it.
 */
export function keystreamGcm(hashKey: Uint8Array): KeystreamGcm | undefined {
  return kernelGcm(hashKey)
}

/** The same, for what lies in several buffers. */
export function kernelGcm(hashKey: Uint8Array): KernelGcm | undefined {
  const kernel = packetKernel()
  return kernel === undefined ? undefined : new KernelGcm(kernel, hashKey)
}

export class KernelGcm implements KeystreamGcm {
  readonly #kernel: PacketKernel
  readonly #key: KernelKey

  constructor(kernel: PacketKernel, hashKey: Uint8Array) {
    this.#kernel = kernel
    this.#key = new KernelKey(kernel, hashKey)
  }

  fits(header: number, length: number): boolean {
    return header <= KERNEL_HEADER_MAX && length <= KERNEL_PACKET_MAX - TAG_LENGTH
  }

  seal(packet: Uint8Array, header: number, length: number, keystream: Uint8Array, at: number): void {
    checkLength(length + TAG_LENGTH <= packet.length, 'no room for the tag')
    this.#load(packet, header, length, length, keystream, at)
    this.#kernel.seal(this.#key.tables, header, length - header)
    this.#store(packet, header, length + TAG_LENGTH)
  }

  open(packet: Uint8Array, header: number, length: number, keystream: Uint8Array, at: number): boolean {
    checkLength(length + TAG_LENGTH <= packet.length, 'no tag')
    this.#load(packet, header, length, length + TAG_LENGTH, keystream, at)
    if (this.#kernel.open(this.#key.tables, header, length - header) === 0) return false
    this.#store(packet, header, length)
    return true
  }

  /** As `seal`, with the associated data, the plaintext and where ciphertext and tag go apart from each other. */
  sealInto(
    aad: Uint8Array,
    plaintext: Uint8Array,
    out: Uint8Array,
    outAt: number,
    keystream: Uint8Array,
    at: number,
  ): void {
    const { length } = plaintext
    checkLength(this.fits(aad.length, length), 'a packet that does not fit')
    const { bytes } = this.#kernel
    bytes.set(aad, KERNEL_PAYLOAD_AT - aad.length)
    bytes.set(plaintext, KERNEL_PAYLOAD_AT)
    bytes.set(viewOf(keystream, at, at + 16 + length), KERNEL_KEYSTREAM_AT)
    this.#kernel.seal(this.#key.tables, aad.length, length)
    out.set(payloadOf(bytes, length + TAG_LENGTH), outAt)
  }

  /** The reverse, where the tag at the end of `sealed` matches. Else false, and `out` is as it was. */
  openInto(
    aad: Uint8Array,
    sealed: Uint8Array,
    out: Uint8Array,
    outAt: number,
    keystream: Uint8Array,
    at: number,
  ): boolean {
    const length = sealed.length - TAG_LENGTH
    checkLength(length >= 0 && this.fits(aad.length, length), 'a packet that does not fit')
    const { bytes } = this.#kernel
    bytes.set(aad, KERNEL_PAYLOAD_AT - aad.length)
    bytes.set(sealed, KERNEL_PAYLOAD_AT)
    bytes.set(viewOf(keystream, at, at + 16 + length), KERNEL_KEYSTREAM_AT)
    if (this.#kernel.open(this.#key.tables, aad.length, length) === 0) return false
    out.set(payloadOf(bytes, length), outAt)
    return true
  }

  /** Copies the packet's first `end` bytes in, and the keystream of the payload, which ends at `length`. */
  #load(
    packet: Uint8Array,
    header: number,
    length: number,
    end: number,
    keystream: Uint8Array,
    at: number,
  ): void {
    checkLength(header <= length && this.fits(header, length), 'a packet that does not fit')
    const { bytes } = this.#kernel
    // a little more does no harm, and a view costs more
    const first = packet.length - end <= SLACK ? packet : viewOf(packet, 0, end)
    bytes.set(first, KERNEL_PAYLOAD_AT - header)
    const keystreamEnd = at + 16 + length - header
    bytes.set(viewOf(keystream, at, keystreamEnd), KERNEL_KEYSTREAM_AT)
  }

  /** Copies payload, and tag where there is one, out. */
  #store(packet: Uint8Array, header: number, end: number): void {
    const { bytes } = this.#kernel
    packet.set(payloadOf(bytes, end - header), header)
  }
}
