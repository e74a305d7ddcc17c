import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { loadTlsCertificate, type TlsCertificate } from '@str0m/demo-kit'
import { describe, expect, it } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'

describe('the certificate', () => {
  it('is made once, readable by its owner alone, and again when it is of no use', async () => {
    const directory = join(scratchDirectory(), 'new')
    const first = await loadTlsCertificate(directory)
    expect(await loadTlsCertificate(directory)).toEqual(first)
    expect((await stat(join(directory, 'key.pem'))).mode & 0o777).toBe(0o600)
    await writeFile(join(directory, 'certificate.pem'), 'broken')
    const second = await loadTlsCertificate(directory)
    expect(second.cert).not.toBe(first.cert)
    expect(await readFile(join(directory, 'certificate.pem'), 'utf8')).toBe(second.cert)
  })

  it.each([
    ['that cannot be read', () => 'broken'],
    ['that is another one’s', ({ key }: TlsCertificate) => key],
  ])('is made again for a key %s', async (_, keyOf) => {
    const directory = scratchDirectory()
    const first = await loadTlsCertificate(directory)
    const file = join(directory, 'key.pem')
    await writeFile(file, keyOf(await loadTlsCertificate(scratchDirectory())))
    await chmod(file, 0o644)
    const second = await loadTlsCertificate(directory)
    expect(second.cert).not.toBe(first.cert)
    expect(() => createSecureContext(second)).not.toThrow()
    expect(await loadTlsCertificate(directory)).toEqual(second)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await readdir(directory)).toSorted()).toEqual(['certificate.pem', 'key.pem'])
  })
})
