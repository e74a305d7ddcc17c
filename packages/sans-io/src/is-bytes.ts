/** Whether it is a `Uint8Array`, also of another realm: an `ArrayBuffer` or an array of wider numbers has no length in bytes. */
export function isBytes(data: unknown): data is Uint8Array {
  return data instanceof Uint8Array || Object.prototype.toString.call(data) === '[object Uint8Array]'
}
