/** Reads a fuzzer's bytes as the choices of a program. Past the end everything is 0 or empty, so that each input is one. */
export class FuzzInput {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    // of the fuzzer's own buffer
    this.#bytes = Uint8Array.from(bytes)
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length
  }

  u8(): number {
    return this.#bytes[this.#at++] ?? 0
  }

  u16(): number {
    return (this.u8() << 8) | this.u8()
  }

  u32(): number {
    return this.u16() * 0x1_0000 + this.u16()
  }

  /** 0 to `below` − 1. */
  below(below: number): number {
    return this.u8() % below
  }

  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.u8() % list.length]!
  }

  /** Bytes after their length of one byte, or fewer where the input ends. */
  bytes(): Uint8Array {
    const length = this.u8()
    const bytes = this.#bytes.slice(this.#at, this.#at + length)
    this.#at += length
    return bytes
  }

  /** All that is left. */
  rest(): Uint8Array {
    const bytes = this.#bytes.slice(this.#at)
    this.#at = this.#bytes.length
    return bytes
  }
}

/** What an input is a program of. */
export interface World {
  /** Reads one operation, and does it. */
  step(): void
  /** Checks what is to hold however it went. */
  finish(): void
}

/** Does one operation after the other, `most` of them, and then what ends a program. */
export function runProgram(input: FuzzInput, world: World, most: number): void {
  for (let done = 0; done < most && !input.done; done++) world.step()
  world.finish()
}

/** Writes what `FuzzInput` reads: for seeds. */
export function program(...parts: readonly (number | Uint8Array | string)[]): Uint8Array {
  const out: number[] = []
  for (const part of parts) {
    if (typeof part === 'number') out.push(part & 0xff)
    else for (const byte of typeof part === 'string' ? Buffer.from(part, 'latin1') : part) out.push(byte)
  }
  return Uint8Array.from(out)
}

/** Bytes with their length before them, 255 at most. */
export function counted(bytes: Uint8Array): Uint8Array {
  return program(Math.min(bytes.length, 255), bytes.subarray(0, 255))
}
