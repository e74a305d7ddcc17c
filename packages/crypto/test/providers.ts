import { type CryptoProvider, nativeCrypto, portableCrypto } from '../src/index.ts'

/** Every vector runs over both. */
export const PROVIDERS: readonly CryptoProvider[] = [nativeCrypto(), portableCrypto()]

/** Bytes out of hexadecimal digits; white space is skipped. */
export function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
}

export function ascii(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'))
}

/** `length` bytes, all `byte`. */
export function repeated(byte: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(byte)
}

export { toHex } from '@str0m/sans-io'
