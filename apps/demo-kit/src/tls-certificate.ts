import 'reflect-metadata'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Crypto } from '@peculiar/webcrypto'
import * as x509 from '@peculiar/x509'

/** What an HTTPS server shows. Both are PEM. */
export interface TlsCertificate {
  readonly key: string
  readonly cert: string
}

const NAMES = ['str0m.test', 'localhost']
const ADDRESSES = ['127.0.0.1', '::1']
const VALID_DAYS = 365
const DAY = 24 * 60 * 60 * 1000

/** The server's certificate, for `str0m.test` and `localhost`: made at the first start, and again when it is about to expire or what is stored cannot be used. */
export async function loadTlsCertificate(directory: string): Promise<TlsCertificate> {
  const keyFile = join(directory, 'key.pem')
  const certFile = join(directory, 'certificate.pem')
  const stored = await readStored(keyFile, certFile)
  if (stored !== undefined) return stored
  const made = await makeTlsCertificate()
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await replaceFile(keyFile, made.key, 0o600)
  await replaceFile(certFile, made.cert, 0o644)
  return made
}

/** Another server that starts now sees the old file or the new one, whole, and with these rights whatever the old one had. */
async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.${process.pid}`
  await writeFile(temporary, text, { mode })
  await rename(temporary, path)
}

async function readStored(keyFile: string, certFile: string): Promise<TlsCertificate | undefined> {
  try {
    const [key, cert] = await Promise.all([readFile(keyFile, 'utf8'), readFile(certFile, 'utf8')])
    const certificate = new X509Certificate(cert)
    const isValid =
      Date.parse(certificate.validFrom) <= Date.now() && Date.parse(certificate.validTo) > Date.now() + DAY
    return isValid && certificate.checkPrivateKey(createPrivateKey(key)) ? { key, cert } : undefined
  } catch {
    // none yet, or not readable, or the key is: a new one takes its place
    return undefined
  }
}

async function makeTlsCertificate(): Promise<TlsCertificate> {
  const crypto = new Crypto()
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=str0m.test',
      notBefore: new Date(Date.now() - DAY),
      notAfter: new Date(Date.now() + VALID_DAYS * DAY),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension([
          ...NAMES.map((value) => ({ type: 'dns' as const, value })),
          ...ADDRESSES.map((value) => ({ type: 'ip' as const, value })),
        ]),
      ],
    },
    crypto,
  )
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'), cert: certificate.toString('pem') }
}
