export type DtlsVersion = 'DTLS 1.2' | 'DTLS 1.3'
