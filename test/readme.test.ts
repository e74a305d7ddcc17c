import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { readmeExample } from '../vitest.examples.ts'

const root = join(import.meta.dirname, '..')
const generated = join(import.meta.dirname, '.generated')
const packages = readdirSync(join(root, 'packages'))

/** One for each name. */
function importsOf(code: string): string[] {
  return [...code.matchAll(/^import \{ (.*) \} from (.*)$/gm)].flatMap(([, names, from]) =>
    names!.split(', ').map((name) => `import { ${name} } from ${from}`),
  )
}

describe('the example of the README runs', () => {
  it.each(packages)('@str0m/%s', async (name) => {
    const code = readmeExample(name)
    const imports = [...code.matchAll(/from '([^']+)'/g)].map(([, from]) => from!)
    expect(imports.every((from) => from.startsWith('@str0m/'))).toBe(true)
    expect(imports).toContain(`@str0m/${name}`)
    mkdirSync(generated, { recursive: true })
    const file = join(generated, `${name}.ts`)
    writeFileSync(file, code)
    const log = vi.spyOn(console, 'log').mockImplementation(() => {})
    try {
      await import(/* @vite-ignore */ file)
      expect(log, 'it prints something').toHaveBeenCalled()
    } finally {
      log.mockRestore()
    }
  })
})

describe('the other examples compile as a careful user compiles them', () => {
  // what stands around each example: what it imports, and what is to be there already
  const surroundings: Readonly<Record<string, string>> = {
    'README.md': `
      import type { Answer, Mid, Offer, Pt, RtcEvent, RtpPacket, SocketAddress } from '@str0m/rtc'
      declare const [rtc, mid, pt, offer, answer]: [Rtc, Mid, Pt, Offer, Answer]
      declare const [source, destination, contents]: [SocketAddress, SocketAddress, Uint8Array]
      declare const [frameNumber, opusFrame, packet]: [number, Uint8Array, RtpPacket]
      declare const socket: { send(contents: Uint8Array, port: number, address: string): void }
      declare function handle(event: RtcEvent): void`,
    'packages/rtc/README.md': '',
    'packages/rtp/README.md': `
      import type { HeaderExtensions, ExtensionIds, RtpHeader, StreamRx } from '@str0m/rtp'
      declare const [randomSequenceNumber, randomTimestamp, now, srtpOverhead]: [number, number, number, number]
      declare const [highLayer, datagram, header]: [StreamRx, Uint8Array, RtpHeader]
      declare const [values, ids]: [HeaderExtensions, ExtensionIds]
      declare const [frame, randomId, timestamp]: [Uint8Array, number, number]
      declare function send(buffer: Uint8Array, length: number): void
      declare function askForKeyframe(ssrc: number | undefined): void`,
    'packages/sctp/README.md': `
      import type { DataEvent, Dtls } from '@str0m/dtls'
      declare const [dtls, event, now]: [Dtls, DataEvent, number]`,
    'packages/netem/README.md': `
      declare const [client, server]: [Rtc, Rtc]`,
    'packages/srtp/README.md': `
      import type { ConnectedEvent } from '@str0m/dtls'
      import { SrtpContext } from '@str0m/srtp'
      declare const connected: ConnectedEvent`,
    'packages/stun-ice/README.md': '',
  }

  it.each(Object.entries(surroundings))('%s', (readme, around) => {
    const folder = join(generated, readme.replaceAll('/', '-'))
    mkdirSync(folder, { recursive: true })
    const text = readFileSync(join(root, readme), 'utf8')
    const examples = Array.from(text.matchAll(/```ts\n(.*?)```/gs), ([, code]) => code!)
    // those of a package begin with the one that runs
    const fragments = readme === 'README.md' ? examples : examples.slice(1)
    expect(fragments).not.toEqual([])
    // two may import the same
    const imports = new Set(fragments.flatMap(importsOf))
    const bodies = fragments.map((code) => `{\n${code.replace(/^import .*$/gm, '')}}\n`)
    writeFileSync(join(folder, 'examples.ts'), [around, ...imports, ...bodies].join(';\n'))
    const config = {
      extends: join(root, 'tsconfig.base.json'),
      compilerOptions: {
        composite: false,
        noEmit: true,
        rewriteRelativeImportExtensions: false,
        allowImportingTsExtensions: true,
        isolatedDeclarations: false,
        declaration: false,
        declarationMap: false,
        noUnusedLocals: false,
        types: ['node'],
        typeRoots: [join(root, 'node_modules', '@types')],
        paths: Object.fromEntries(
          packages.map((name) => [`@str0m/${name}`, [join(root, 'packages', name, 'src', 'index.ts')]]),
        ),
      },
      files: ['examples.ts'],
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const { stdout, status } = spawnSync(process.execPath, [compiler, '-p', folder], { encoding: 'utf8' })
    expect(stdout).toBe('')
    expect(status).toBe(0)
  })
})
