import { Dtls, DtlsCertificate } from '@str0m/dtls'
import { describe, expect, it } from 'vitest'
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

const version = versionOf('gnutls-serv', '--version')
const PROFILES = {
  AES_CM_128_HMAC_SHA1_80: 'SRTP_AES128_CM_HMAC_SHA1_80',
  AES_CM_128_HMAC_SHA1_32: 'SRTP_AES128_CM_HMAC_SHA1_32',
} as const

/** Deno's own cryptography knows no signatures with it. */
const isUnknown = (name: string): boolean => name === 'P-521' && process.versions['deno'] !== undefined

describe.skipIf(version === undefined || opensslVersion() === undefined)(
  `[gnutls] ${version}`,
  { timeout: 150_000 },
  () => {
    const certificate = DtlsCertificate.generate()

    for (const [name, newKey] of Object.entries(NEW_KEYS)) {
      for (const asks of [true, false]) {
        it.skipIf(isUnknown(name))(
          `a server with a ${name} certificate that ${asks ? 'asks' : 'does not ask'} for ours`,
          async () => {
            const identity = new Identity(newKey)
            const port = await freePort()
            const server = new Program('gnutls-serv', [
              `--port=${port}`,
              `--x509keyfile=${identity.key}`,
              `--x509certfile=${identity.certificate}`,
              `--srtp-profiles=${PROFILES.AES_CM_128_HMAC_SHA1_80}`,
              '--udp',
              '--echo',
              '--quiet',
              '--mtu=1200',
              asks ? '--require-client-cert' : '--disable-client-cert',
            ])
            const machine = new Dtls({
              role: 'client',
              certificate,
              remoteFingerprints: [identity.fingerprint()],
              srtpProfiles: ['AEAD_AES_128_GCM', 'AES_CM_128_HMAC_SHA1_80'],
            })
            const driver = await SocketDriver.open(machine, port)
            try {
              await driver.startWhen(server, 'listening')
              expect(await driver.connected(server)).toMatchObject({
                type: 'connected',
                srtp: { profile: 'AES_CM_128_HMAC_SHA1_80' },
              })
              driver.send('there and back\n')
              expect(await driver.received(server)).toBe('there and back\n')
            } finally {
              driver.end()
              driver.close()
              await server.stop()
            }
          },
        )
      }

      it.skipIf(isUnknown(name))(`a client with a ${name} certificate`, async () => {
        const identity = new Identity(newKey)
        const machine = new Dtls({
          role: 'server',
          certificate,
          remoteFingerprints: [identity.fingerprint()],
          srtpProfiles: ['AES_CM_128_HMAC_SHA1_32'],
        })
        const driver = await SocketDriver.open(machine)
        const client = new Program('gnutls-cli', [
          `--port=${driver.port}`,
          `--x509keyfile=${identity.key}`,
          `--x509certfile=${identity.certificate}`,
          `--srtp-profiles=${PROFILES.AES_CM_128_HMAC_SHA1_32}`,
          '--udp',
          '--insecure',
          '--mtu=1200',
          '127.0.0.1',
        ])
        try {
          const isClient = (): boolean => client.output.includes('Handshake was completed')
          expect(await driver.connected(client, isClient)).toMatchObject({
            type: 'connected',
            srtp: { profile: 'AES_CM_128_HMAC_SHA1_32' },
          })
          driver.send('from the machine\n')
          client.child.stdin.write('from GnuTLS\n')
          expect(await driver.received(client)).toBe('from GnuTLS\n')
          await until(
            () => `our line: ${client.output}`,
            () => client.output.includes('from the machine'),
          )
          client.child.stdin.end()
          await until(
            () => `close_notify: ${client.output}`,
            () => driver.events.at(-1)?.type === 'closed',
          )
          expect(driver.events.at(-1)).toEqual({ type: 'closed', reason: 'close-notify' })
        } finally {
          driver.close()
          await client.stop()
        }
      })
    }
  },
)
