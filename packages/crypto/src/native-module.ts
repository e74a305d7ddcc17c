// The parts of node:crypto that are used, typed here: the packages run where Node's types are not.

interface NodeHash {
  update(data: Uint8Array): this
  copy(): NodeHash
  digest(): Uint8Array
}

interface NodeHmac {
  update(data: Uint8Array): this
  digest(): Uint8Array
}

interface NodeCipher {
  setAutoPadding(padding: boolean): this
  setAAD(aad: Uint8Array, options?: { plaintextLength: number }): this
  setAuthTag(tag: Uint8Array): this
  update(data: Uint8Array): Uint8Array
  final(): Uint8Array
  getAuthTag(): Uint8Array
}

export interface NodeKeyObject {
  export(options: { format: 'jwk' }): NodeJwk
  export(options: { format: 'der'; type: 'pkcs8' }): Uint8Array
}

/** RFC 7517 and 8037: the members that keys on P-256 and X25519 have, in base64url. */
export interface NodeJwk {
  readonly kty?: 'EC' | 'OKP'
  readonly crv?: 'P-256' | 'P-384' | 'P-521' | 'X25519'
  readonly x?: string
  readonly y?: string
  readonly d?: string
}

interface NodeEcdh {
  setPrivateKey(key: Uint8Array): void
  getPublicKey(): Uint8Array
  computeSecret(peer: Uint8Array): Uint8Array
}

export interface NodeKeyInput {
  readonly key: NodeKeyObject
  readonly dsaEncoding?: 'der'
  readonly padding?: number
  readonly saltLength?: number
}

export interface NodeCrypto {
  readonly constants: { readonly RSA_PKCS1_PADDING: number; readonly RSA_PKCS1_PSS_PADDING: number }
  randomFillSync(bytes: Uint8Array): Uint8Array
  hash?(algorithm: string, data: Uint8Array, encoding: 'buffer'): Uint8Array
  hash?(algorithm: string, data: Uint8Array, encoding: 'latin1'): string
  createHash(algorithm: string): NodeHash
  createHmac(algorithm: string, key: NodeKeyObject): NodeHmac
  createSecretKey(key: Uint8Array): NodeKeyObject
  getCiphers(): string[]
  createCipheriv(
    algorithm: string,
    key: NodeKeyObject,
    iv: Uint8Array | null,
    options?: { authTagLength: number },
  ): NodeCipher
  createDecipheriv(
    algorithm: string,
    key: NodeKeyObject,
    iv: Uint8Array | null,
    options?: { authTagLength: number },
  ): NodeCipher
  createECDH(curve: string): NodeEcdh
  generateKeyPairSync(
    type: 'x25519',
    options: { publicKeyEncoding: { format: 'jwk' } },
  ): { readonly publicKey: NodeJwk; readonly privateKey: NodeKeyObject }
  generateKeyPairSync(
    type: 'ec',
    options: { namedCurve: 'prime256v1'; publicKeyEncoding: { format: 'jwk' } },
  ): { readonly publicKey: NodeJwk; readonly privateKey: NodeKeyObject }
  createPrivateKey(
    input: { key: NodeJwk; format: 'jwk' } | { key: Uint8Array; format: 'der'; type: 'pkcs8' },
  ): NodeKeyObject
  createPublicKey(
    input: { key: Uint8Array; format: 'der'; type: 'spki' } | { key: NodeJwk; format: 'jwk' } | NodeKeyObject,
  ): NodeKeyObject
  diffieHellman(options: { privateKey: NodeKeyObject; publicKey: NodeKeyObject }): Uint8Array
  /** An ECDSA signature is DER where the key is given alone. */
  sign(algorithm: string, data: Uint8Array, key: NodeKeyInput | NodeKeyObject): Uint8Array
  verify(
    algorithm: string,
    data: Uint8Array,
    key: NodeKeyInput | NodeKeyObject,
    signature: Uint8Array,
  ): boolean
}

declare const process: { getBuiltinModule?: (name: string) => unknown } | undefined

/** `node:crypto`, found at run time; `undefined` where the runtime has none. */
export function findNodeCrypto(): NodeCrypto | undefined {
  if (typeof process === 'undefined') return undefined
  return process?.getBuiltinModule?.('node:crypto') as NodeCrypto | undefined
}
