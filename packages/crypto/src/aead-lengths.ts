/** Of every AEAD here, RFC 5116 section 5 and RFC 8439 section 2.8. */
export const AEAD_TAG_LENGTH = 16
/** Of every AEAD here, RFC 5116 section 5 and RFC 8439 section 2.8. */
export const AEAD_NONCE_LENGTH = 12
