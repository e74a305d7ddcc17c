import { CONGESTION_CONTROL_FEEDBACK } from '@str0m/sdp'
import { hasFeedback, TRANSPORT_WIDE_FEEDBACK } from './capabilities.ts'
import type { Media } from './media.ts'

/** How it is told, both ways, which packets came. */
export type NegotiatedFeedback =
  /** By the number in a header extension of this id (draft-holmer-rmcat-transport-wide-cc-extensions-01). */
  | { readonly kind: 'transport-wide'; readonly numberId: number }
  /** Stream by stream (RFC 8888). */
  | { readonly kind: 'congestion-control' }
  /** By receiver reports alone (RFC 3550). */
  | { readonly kind: 'reports' }

const CONGESTION_CONTROL: NegotiatedFeedback = { kind: 'congestion-control' }
const REPORTS: NegotiatedFeedback = { kind: 'reports' }

/**
 * What the sections agree on, where they are not stopped. RFC 8888 is of all streams or none, and goes before transport-wide feedback: of that, the extension and the feedback are
 * both needed, of one section at least.
 */
export function negotiatedFeedback(medias: readonly Media[]): NegotiatedFeedback {
  const standing = medias.filter(({ codecs }) => codecs.length > 0)
  const isAll = standing.every(({ codecs }) => hasFeedback(codecs, CONGESTION_CONTROL_FEEDBACK))
  if (standing.length > 0 && isAll) return CONGESTION_CONTROL
  for (const { extensionIds, codecs } of standing) {
    // it is the same in all sections, and both ways
    const numberId = extensionIds.id('transportSequenceNumber')
    if (numberId !== undefined && hasFeedback(codecs, TRANSPORT_WIDE_FEEDBACK)) {
      return { kind: 'transport-wide', numberId }
    }
  }
  return REPORTS
}
