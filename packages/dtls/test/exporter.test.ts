import { describe, expect, it } from 'vitest'
import { makeClient, makeServer, Wire } from './support.ts'

describe.each(['DTLS 1.2', 'DTLS 1.3'] as const)('exportKeyingMaterial, %s', (version) => {
  const wire = new Wire(makeClient({ versions: [version] }), makeServer({ versions: [version] }))
  wire.connect()
  const both = (label: string, context: Uint8Array | undefined, length: number): Uint8Array[] =>
    [wire.client, wire.server].map((machine) => machine.exportKeyingMaterial(label, context, length))

  it('gives the same to both, at every bound', () => {
    for (const [label, context, length] of [
      ['x', undefined, 0],
      ['x', undefined, 1],
      ['x'.repeat(249), new Uint8Array(0), 33],
      ['é'.repeat(124), new Uint8Array(0xffff).fill(1), 8160],
    ] as const) {
      const [client, server] = both(label, context, length)
      expect(client!.length).toBe(length)
      expect(client).toEqual(server)
    }
  })

  it.each([
    ['', undefined, 20, 'invalid-label'],
    ['x'.repeat(250), undefined, 20, 'invalid-label'],
    ['é'.repeat(125), undefined, 20, 'invalid-label'],
    ['x', new Uint8Array(0x1_0000), 20, 'invalid-context'],
    ['x', undefined, -1, 'invalid-length'],
    ['x', undefined, 1.5, 'invalid-length'],
    ['x', undefined, Number.NaN, 'invalid-length'],
    ['x', undefined, 8161, 'invalid-length'],
  ])('is not asked for what the formats cannot hold: %#', (label, context, length, code) => {
    expect(() => both(label, context, length)).toThrow(expect.objectContaining({ code }))
  })
})
