import { SrtpContext, type SrtpProfile, srtpKeyLengths } from '@str0m/srtp'

/** What is done to a packet between the program and the socket. */
export const VARIANTS = ['plain', 'AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'] as const
export type Variant = (typeof VARIANTS)[number]

/** A context of either side: they have the same keys, which are of no worth. `undefined`: packets stay as they are. */
export function contextFor(variant: Variant): SrtpContext | undefined {
  if (variant === 'plain') return undefined
  const profile: SrtpProfile = variant
  const { key, salt } = srtpKeyLengths(profile)
  return new SrtpContext({
    profile,
    masterKey: new Uint8Array(key).fill(1),
    masterSalt: new Uint8Array(salt).fill(2),
  })
}

/** To the process that receives. `end`: it answers what it has used and counted. */
export type ToReceiver = { readonly kind: 'begin'; readonly variant: Variant } | { readonly kind: 'end' }

export type FromReceiver =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'begun' }
  /** `cpu`: ms since `begin`. */
  | { readonly kind: 'ended'; readonly cpu: number; readonly received: number }
