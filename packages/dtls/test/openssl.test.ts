import { describe, expect, it } from 'vitest'
import { toHex } from '@str0m/sans-io'
import { Dtls, DtlsCertificate, type DtlsOptions, type SrtpProfile } from '@str0m/dtls'
import { freePort, Identity, NEW_KEYS, Openssl, opensslVersion, SocketDriver, until } from './driver.ts'

const version = opensslVersion()
if (version === undefined) console.log('openssl is not installed: interoperation with it is not tested')

const EXPORT = ['-keymatexport', 'EXTRACTOR-dtls_srtp', '-keymatexportlen']
const PROFILE_NAMES: Record<SrtpProfile, string> = {
  AES_CM_128_HMAC_SHA1_80: 'SRTP_AES128_CM_SHA1_80',
  AES_CM_128_HMAC_SHA1_32: 'SRTP_AES128_CM_SHA1_32',
  AEAD_AES_128_GCM: 'SRTP_AEAD_AES_128_GCM',
  AEAD_AES_256_GCM: 'SRTP_AEAD_AES_256_GCM',
}

interface Case {
  cipher: string
  suite: string
  group: string
  profile: SrtpProfile
  key: 'ec' | 'rsa'
  mtu?: number
}

const CASES: Case[] = [
  {
    cipher: 'ECDHE-ECDSA-AES128-GCM-SHA256',
    suite: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    group: 'X25519',
    profile: 'AES_CM_128_HMAC_SHA1_80',
    key: 'ec',
  },
  {
    cipher: 'ECDHE-ECDSA-AES256-GCM-SHA384',
    suite: 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
    group: 'P-256',
    profile: 'AEAD_AES_256_GCM',
    key: 'ec',
    mtu: 300,
  },
  {
    cipher: 'ECDHE-ECDSA-CHACHA20-POLY1305',
    suite: 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
    group: 'P-384',
    profile: 'AEAD_AES_128_GCM',
    key: 'ec',
  },
  {
    cipher: 'ECDHE-RSA-AES128-GCM-SHA256',
    suite: 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
    group: 'X25519',
    profile: 'AES_CM_128_HMAC_SHA1_32',
    key: 'rsa',
  },
  {
    cipher: 'ECDHE-RSA-AES256-GCM-SHA384',
    suite: 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
    group: 'X25519',
    profile: 'AEAD_AES_128_GCM',
    key: 'rsa',
  },
  {
    cipher: 'ECDHE-RSA-CHACHA20-POLY1305',
    suite: 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
    group: 'X25519',
    profile: 'AEAD_AES_128_GCM',
    key: 'rsa',
  },
]

describe.skipIf(version === undefined)(`[openssl] ${version}`, { timeout: 150_000 }, () => {
  const identities =
    version === undefined
      ? undefined
      : {
          ec: new Identity(NEW_KEYS['P-256']),
          rsa: new Identity(NEW_KEYS.RSA),
        }
  const certificate = DtlsCertificate.generate()

  function options(identity: Identity, { profile, mtu }: Case): Omit<DtlsOptions, 'role'> {
    return {
      certificate,
      remoteFingerprints: [identity.fingerprint()],
      srtpProfiles: [profile],
      ...(mtu && { mtu }),
    }
  }

  /** Echoes both ways, compares the exported keys, closes. */
  async function exchange(
    machine: Dtls,
    driver: SocketDriver,
    openssl: Openssl,
    expected: Case,
  ): Promise<void> {
    const connected = await driver.connected(openssl)
    expect(connected).toMatchObject({ type: 'connected', cipherSuite: expected.suite })
    if (connected.type !== 'connected') return
    expect(connected.srtp?.profile).toBe(expected.profile)
    expect(Math.max(...driver.sizes)).toBeLessThanOrEqual(expected.mtu ?? 1200)

    driver.send('from the machine\n')
    await until(
      () => `our line: ${openssl.output}`,
      () => openssl.output.includes('from the machine'),
    )
    openssl.child.stdin.write('from openssl\n')
    expect(await driver.received(openssl)).toBe('from openssl\n')

    const material = machine.exportKeyingMaterial('EXTRACTOR-dtls_srtp', undefined, 60)
    await until(
      () => `the exported keys: ${openssl.output}`,
      () => openssl.output.toLowerCase().includes(toHex(material)),
    )
    expect(openssl.output).toContain(PROFILE_NAMES[expected.profile])
  }

  for (const which of CASES) {
    it(`s_server: ${which.cipher}, ${which.group}, ${which.profile}`, async () => {
      expect.hasAssertions()
      const identity = identities![which.key]
      const port = await freePort()
      const openssl = new Openssl([
        ['s_server', '-dtls1_2', '-listen', '-serverpref', '-accept', `127.0.0.1:${port}`, '-Verify', '1'],
        ['-key', identity.key, '-cert', identity.certificate, '-cipher', which.cipher],
        [
          '-groups',
          which.group === 'P-256' ? 'P-256' : `${which.group}:P-256`,
          '-use_srtp',
          PROFILE_NAMES[which.profile],
          ...EXPORT,
          '60',
        ],
      ])
      const machine = new Dtls({ role: 'client', ...options(identity, which) })
      const driver = await SocketDriver.open(machine, port)
      try {
        await driver.startWhen(openssl, 'ACCEPT')
        await exchange(machine, driver, openssl, which)
        driver.end()
        await until(
          () => `the end: ${openssl.output}`,
          () => /CONNECTION CLOSED|DONE|shut down SSL/.test(openssl.output),
        )
      } finally {
        driver.close()
        await openssl.stop()
      }
    })

    if (which.key === 'rsa') continue
    it(`s_client: ${which.cipher}, ${which.group}, ${which.profile}`, async () => {
      expect.hasAssertions()
      const identity = identities!.rsa
      const machine = new Dtls({ role: 'server', ...options(identity, which) })
      const driver = await SocketDriver.open(machine)
      const openssl = new Openssl([
        ['s_client', '-dtls1_2', '-connect', `127.0.0.1:${driver.port}`],
        ['-key', identity.key, '-cert', identity.certificate, '-cipher', which.cipher],
        [
          '-groups',
          which.group === 'P-256' ? 'P-256' : `${which.group}:P-256`,
          '-use_srtp',
          PROFILE_NAMES[which.profile],
          ...EXPORT,
          '60',
        ],
      ])
      try {
        await exchange(machine, driver, openssl, which)
        openssl.child.stdin.write('Q\n')
        await until(
          () => 'close_notify',
          () => driver.events.at(-1)?.type === 'closed',
        )
        expect(driver.events.at(-1)).toEqual({ type: 'closed', reason: 'close-notify' })
      } finally {
        driver.close()
        await openssl.stop()
      }
    })
  }
})
