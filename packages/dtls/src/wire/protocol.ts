// The code points of DTLS 1.2 and 1.3 that this package uses, by the names of their RFCs.

/** RFC 4347 section 4.1; only on the records of a first ClientHello and of a HelloVerifyRequest. */
export const DTLS_1_0 = 0xfeff
/** RFC 6347 section 4.1. */
export const DTLS_1_2 = 0xfefd

/** RFC 9147 section 5.3; in supported_versions alone. */
export const DTLS_1_3 = 0xfefc

/** RFC 5246 section 6.2.1, and RFC 9147 section 7. */
export const ContentType = {
  changeCipherSpec: 20,
  alert: 21,
  handshake: 22,
  applicationData: 23,
  ack: 26,
} as const

/** RFC 5246 section 7.4, RFC 4347 section 4.3.2, and RFC 9147 section 5.2. */
export const HandshakeType = {
  helloRequest: 0,
  clientHello: 1,
  serverHello: 2,
  helloVerifyRequest: 3,
  newSessionTicket: 4,
  encryptedExtensions: 8,
  certificate: 11,
  serverKeyExchange: 12,
  certificateRequest: 13,
  serverHelloDone: 14,
  certificateVerify: 15,
  clientKeyExchange: 16,
  finished: 20,
  keyUpdate: 24,
  messageHash: 254,
} as const

/** RFC 8422 section 5.1, RFC 5246 section 7.4.1.4.1, RFC 5764 section 4.1.1, RFC 7627 section 5.1, RFC 5746. */
export const ExtensionType = {
  supportedGroups: 10,
  ecPointFormats: 11,
  signatureAlgorithms: 13,
  useSrtp: 14,
  extendedMasterSecret: 23,
  renegotiationInfo: 0xff01,
} as const

/** Those of DTLS 1.3, RFC 8446 section 4.2. */
export const ExtensionType13 = {
  supportedVersions: 43,
  cookie: 44,
  keyShare: 51,
} as const

/** TLS_EMPTY_RENEGOTIATION_INFO_SCSV of RFC 5746: an empty renegotiation_info in the shape of a cipher suite. */
export const EMPTY_RENEGOTIATION_INFO_SCSV = 0x00ff

/** Bytes of a hello's `random`, RFC 5246 section 7.4.1.2. */
export const RANDOM_LENGTH = 32

/** ECPointFormat uncompressed, RFC 8422 section 5.1.2. */
export const POINT_FORMAT_UNCOMPRESSED = 0
/** ECCurveType named_curve, RFC 8422 section 5.4. */
export const CURVE_TYPE_NAMED = 3
/** ClientCertificateType ecdsa_sign and rsa_sign, RFC 8422 section 5.5 and RFC 5246 section 7.4.4. */
export const CERTIFICATE_TYPE_ECDSA_SIGN = 64
export const CERTIFICATE_TYPE_RSA_SIGN = 1
