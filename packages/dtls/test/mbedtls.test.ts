import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { toHex } from '@str0m/sans-io'
import { Dtls, DtlsCertificate } from '@str0m/dtls'
import { beforeAll, describe, expect, it } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import {
  freePort,
  Identity,
  NEW_KEYS,
  opensslVersion,
  Program,
  SocketDriver,
  until,
  versionOf,
} from './driver.ts'

const CC = process.env['CC'] ?? 'cc'
const isHere =
  existsSync('/usr/include/mbedtls/ssl.h') &&
  versionOf(CC, '--version') !== undefined &&
  opensslVersion() !== undefined
const SOURCE = fileURLToPath(new URL('peers/mbedtls.c', import.meta.url))

describe.skipIf(!isHere)('[mbedtls]', { timeout: 150_000 }, () => {
  const certificate = DtlsCertificate.generate()
  const program = join(scratchDirectory(), 'mbedtls-peer')
  beforeAll(() => {
    execFileSync(CC, ['-O1', SOURCE, '-o', program, '-lmbedtls', '-lmbedx509', '-lmbedcrypto'])
  })

  for (const name of ['P-256', 'P-384', 'RSA'] as const) {
    for (const role of ['server', 'client'] as const) {
      for (const mtu of [1200, 500]) {
        it(`a ${role} with a ${name} certificate, in datagrams of ${mtu} bytes`, async () => {
          const identity = new Identity(NEW_KEYS[name])
          const machine = new Dtls({
            role: role === 'server' ? 'client' : 'server',
            certificate,
            remoteFingerprints: [identity.fingerprint()],
            srtpProfiles: ['AEAD_AES_128_GCM', 'AES_CM_128_HMAC_SHA1_80'],
            mtu,
          })
          const port = await freePort()
          const driver = await SocketDriver.open(machine, role === 'server' ? port : undefined)
          const peer = new Program(program, [
            role,
            String(role === 'server' ? port : driver.port),
            identity.key,
            identity.certificate,
            String(mtu),
          ])
          try {
            if (role === 'server') await driver.startWhen(peer, 'ready')
            const isPeer = (): boolean => /connected.*\n[0-9a-f]{120}\n/.test(peer.output)
            expect(await driver.connected(peer, isPeer)).toMatchObject({
              type: 'connected',
              srtp: { profile: 'AES_CM_128_HMAC_SHA1_80' },
            })
            const material = machine.exportKeyingMaterial('EXTRACTOR-dtls_srtp', undefined, 60)
            expect(peer.output).toContain(toHex(material))
            driver.send('there and back')
            expect(await driver.received(peer)).toBe('there and back')
            driver.end()
            await until(
              () => `the end: ${peer.output}`,
              () => peer.output.includes('closed'),
            )
            expect(Math.max(...driver.sizes)).toBeLessThanOrEqual(mtu)
          } finally {
            driver.close()
            await peer.stop()
          }
        })
      }
    }
  }
})
