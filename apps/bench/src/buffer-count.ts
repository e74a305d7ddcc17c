import { createCipheriv } from 'node:crypto'

export interface BufferCount {
  /** Made by JavaScript: `new Uint8Array(length)`, or `new ArrayBuffer(length)`, of which several are cut. Views of a buffer that is there do not count. */
  readonly plain: number
  /** Made by Node's ciphers, for what `update` answers. */
  readonly cipher: number
}

/** Counts the byte buffers that are allocated while `run` runs. It is slower meanwhile. */
export function countBuffers(run: () => void): BufferCount {
  let plain = 0
  let cipher = 0
  const original = globalThis.Uint8Array
  const originalBuffer = globalThis.ArrayBuffer
  const counting: Uint8ArrayConstructor = new Proxy(original, {
    construct(target, args: unknown[], newTarget): Uint8Array {
      // of a buffer, it is a view
      if (!(args[0] instanceof originalBuffer)) plain++
      return Reflect.construct(target, args, newTarget === counting ? target : newTarget) as Uint8Array
    },
  })
  const countingBuffer: ArrayBufferConstructor = new Proxy(originalBuffer, {
    construct(target, args: unknown[], newTarget): ArrayBuffer {
      plain++
      return Reflect.construct(target, args, newTarget === countingBuffer ? target : newTarget) as ArrayBuffer
    },
  })
  const prototype = Object.getPrototypeOf(createCipheriv('aes-128-ecb', new original(16), null)) as {
    update: (data: Uint8Array) => Uint8Array
  }
  const { update } = prototype
  prototype.update = function (this: unknown, data) {
    cipher++
    return Reflect.apply<unknown, [Uint8Array], Uint8Array>(update, this, [data])
  }
  globalThis.Uint8Array = counting
  globalThis.ArrayBuffer = countingBuffer
  try {
    run()
  } finally {
    globalThis.Uint8Array = original
    globalThis.ArrayBuffer = originalBuffer
    prototype.update = update
  }
  return { plain, cipher }
}
