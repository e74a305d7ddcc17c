import { decodeUtf8, encodeUtf8 } from '@str0m/sans-io'
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
              await until(
                () => `listening: ${server.output}`,
                () => server.output.includes('listening'),
              )
              machine.start(performance.now())
              driver.drain()
              await until(
                () => `connected: ${server.output} ${JSON.stringify(machine.statistics)}`,
                () => driver.events.length > 0,
              )
              expect(driver.events[0]).toMatchObject({
                type: 'connected',
                srtp: { profile: 'AES_CM_128_HMAC_SHA1_80' },
              })
              machine.send(encodeUtf8('there and back\n'))
              driver.drain()
              await until(
                () => `the echo: ${server.output}`,
                () => driver.events.length > 1,
              )
              const echoed = driver.events[1]!
              expect(echoed.type === 'data' && decodeUtf8(echoed.data)).toBe('there and back\n')
            } finally {
              machine.close()
              driver.drain()
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
          await until(
            () => `connected: ${client.output} ${JSON.stringify(machine.statistics)}`,
            () => driver.events.length > 0 && client.output.includes('Handshake was completed'),
          )
          expect(driver.events[0]).toMatchObject({
            type: 'connected',
            srtp: { profile: 'AES_CM_128_HMAC_SHA1_32' },
          })
          machine.send(encodeUtf8('from the machine\n'))
          driver.drain()
          client.child.stdin.write('from GnuTLS\n')
          await until(
            () => `both lines: ${client.output}`,
            () => driver.events.length > 1 && client.output.includes('from the machine'),
          )
          const data = driver.events[1]!
          expect(data.type === 'data' && decodeUtf8(data.data)).toBe('from GnuTLS\n')
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
