import { isDeepStrictEqual } from 'node:util'
import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import {
  answeredSections,
  answerSections,
  DEFAULT_CODECS,
  parseParameters,
  parseSdp,
  SdpError,
  writeSdp,
} from '../src/index.ts'
import { CRASHERS } from './data/crashers.ts'
import { description, FIXTURES, fixture, forgetFormats, mutate } from './support.ts'

/** Milliseconds of the processor for one description: time at which the machine is busy with others does not count. */
const SLOW = 50

/** Milliseconds of the processor that this process has used. */
function processorTime(): number {
  return process.cpuUsage().user / 1000
}

/** Reads, answers and writes; what is read must be read the same again. False where it is no description. */
function digest(text: string): boolean {
  let parsed
  try {
    parsed = parseSdp(text)
  } catch (error) {
    if (error instanceof SdpError) return false
    throw error
  }
  const capabilities = { codecs: DEFAULT_CODECS, extensions: { audio: [], video: [] } }
  expect(answerSections(parsed, capabilities).sections).toHaveLength(parsed.media.length)
  answeredSections(parsed)
  const written = writeSdp(parsed)
  const again = parseSdp(written)
  // the matcher takes far longer to find that they are the same
  if (!isDeepStrictEqual(again, parsed)) expect(again).toEqual(parsed)
  return true
}

/** Whether it takes longer, each of three times: what is compiled or collected meanwhile does not count. */
function takesLonger(milliseconds: number, action: () => void): boolean {
  for (let i = 0; i < 3; i++) {
    forgetFormats()
    const start = processorTime()
    action()
    if (processorTime() - start <= milliseconds) return false
  }
  return true
}

describe('S8: hostile descriptions', () => {
  it.each(FIXTURES)('mutants of %s are read or refused, never slowly', (name) => {
    const text = fixture(name)
    let read = 0
    const slow: number[] = []
    for (let seed = 1; seed <= 500; seed++) {
      const mutant = mutate(new SeededRandom(seed), text)
      try {
        if (digest(mutant)) read++
      } catch (error) {
        throw new Error(`seed ${seed}: ${JSON.stringify(mutant)}`, { cause: error })
      }
      if (takesLonger(SLOW, () => void safeParse(mutant))) slow.push(seed)
    }
    expect(slow).toEqual([])
    // else only the refusals were tried
    expect(read).toBeGreaterThan(20)
  })

  it('lines of 16 KB take no longer than others, for every attribute and every repeated character', () => {
    const names =
      'rtpmap fmtp rtcp-fb extmap mid ice-ufrag ice-pwd ssrc ssrc-group rid simulcast candidate sctp-port max-message-size msid group ' +
      'fingerprint setup ice-options rtcp-mux sendrecv imageattr source-filter ts-refclk framerate unknown'
    const openings = [
      '',
      '1 ',
      '111 ',
      '1 1 udp 1 1 1 typ ',
      'send ',
      'a send ',
      'sha-256 ',
      'FID ',
      'IN IP4 ',
      '1/',
    ]
    const repeated = [
      'a',
      ' ',
      '1',
      '1 ',
      'a ',
      'a;',
      'a=',
      ',',
      '~a,',
      '/',
      'AA:',
      ' \t',
      '\t',
      ';',
      '1;a ',
      '[x]',
    ]
    const slow: string[] = []
    for (const prefix of [...names.split(' ').map((name) => `a=${name}:`), 'm=', 'c=', 'b=', 'o=', 's=']) {
      for (const opening of openings) {
        for (const unit of repeated) {
          for (const end of ['', '!']) {
            const start = prefix + opening
            const line = start + unit.repeat(Math.floor((16_000 - start.length) / unit.length)) + end
            const began = processorTime()
            safeParse(description([line]))
            safeParse(description([], [line]))
            if (processorTime() - began < SLOW) continue
            if (takesLonger(SLOW, () => safeParse(description([line], [line])))) slow.push(start + unit + end)
          }
        }
      }
    }
    expect(slow).toEqual([])
  })

  it('many lines of one kind stay quick', () => {
    const many = (line: (i: number) => string): string[] => Array.from({ length: 4000 }, (_, i) => line(i))
    for (const line of [
      () => 'a=rtcp-fb:* nack',
      (i: number) => `a=ssrc:${i} cname:x`,
      (i: number) => `a=rid:r${i} send`,
      (i: number) => `a=extmap:${i} urn:x`,
      () => 'a=rtpmap:111 opus/48000/2',
      () => 'a=candidate:1 1 udp 1 1.2.3.4 5 typ host',
    ]) {
      const formats = Array.from({ length: 128 }, (_, i) => i).join(' ')
      const text = description(many(line)).replace('SAVPF 111', `SAVPF ${formats}`)
      expect(takesLonger(4 * SLOW, () => safeParse(text))).toBe(false)
    }
  })

  it('no name reaches the prototype of anything', () => {
    const before = Object.getOwnPropertyNames(Object.prototype).length
    const [section] = parseSdp(
      description([
        'a=__proto__:polluted',
        'a=rid:__proto__ send __proto__=polluted;constructor=x',
        'a=fmtp:111 __proto__=polluted;constructor=x',
        'a=ssrc:1 __proto__:polluted',
        'a=extmap:1 __proto__',
      ]),
    ).media
    expect(section!.rids[0]!.restrictions).toEqual(
      Object.fromEntries([
        ['__proto__', 'polluted'],
        ['constructor', 'x'],
      ]),
    )
    expect(parseParameters(section!.payloads[0]!.parameters).get('__proto__')).toBe('polluted')
    expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(before)
    expect(({} as { polluted?: string }).polluted).toBeUndefined()
  })

  it.each(CRASHERS)('what once was taken wrongly: $what', ({ lines, read }) => {
    expect(digest(description(lines))).toBe(read)
  })
})

function safeParse(text: string): boolean {
  try {
    parseSdp(text)
    return true
  } catch {
    return false
  }
}
