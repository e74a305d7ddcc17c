/** AlertLevel, RFC 5246 section 7.2. */
export const AlertLevel = { warning: 1, fatal: 2 } as const

const NAMES: Readonly<Record<number, string>> = {
  0: 'close_notify',
  10: 'unexpected_message',
  20: 'bad_record_mac',
  22: 'record_overflow',
  40: 'handshake_failure',
  42: 'bad_certificate',
  43: 'unsupported_certificate',
  44: 'certificate_revoked',
  45: 'certificate_expired',
  46: 'certificate_unknown',
  47: 'illegal_parameter',
  48: 'unknown_ca',
  49: 'access_denied',
  50: 'decode_error',
  51: 'decrypt_error',
  70: 'protocol_version',
  71: 'insufficient_security',
  80: 'internal_error',
  86: 'inappropriate_fallback',
  90: 'user_canceled',
  100: 'no_renegotiation',
  110: 'unsupported_extension',
  112: 'unrecognized_name',
  116: 'certificate_required',
  120: 'no_application_protocol',
}

/** AlertDescription, RFC 5246 section 7.2: those that are sent or acted on. */
export const AlertDescription = {
  closeNotify: 0,
  handshakeFailure: 40,
  badCertificate: 42,
  userCanceled: 90,
  noRenegotiation: 100,
} as const

export interface Alert {
  readonly level: number
  readonly description: number
}

export function parseAlert(body: Uint8Array): Alert | undefined {
  const [level, description] = body
  if (body.length !== 2 || level === undefined || description === undefined) return undefined
  return { level, description }
}

export function encodeAlert({ level, description }: Alert): Uint8Array {
  return new Uint8Array([level, description])
}

/** The RFC's name of an alert, or `alert_` and its number. */
export function alertName(description: number): string {
  return NAMES[description] ?? `alert_${description}`
}
