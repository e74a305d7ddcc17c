import type { SeededRandom } from '@str0m/sans-io'
import { MAX_REMEMBERED } from '../src/formats.ts'
import { MAX_KNOWN_SECTIONS } from '../src/known-sections.ts'
import { parseSdp } from '../src/index.ts'
import { readFileSync } from 'node:fs'

export const FIXTURES = [
  'chromium-offer',
  'chromium-answer',
  'firefox-offer',
  'firefox-answer',
  'aiortc-offer',
] as const

export function fixture(name: (typeof FIXTURES)[number]): string {
  return readFileSync(new URL(`fixtures/${name}.sdp`, import.meta.url), 'utf8')
}

/** The lines of a description, sorted: what it says, whatever the order. */
export function sortedLines(text: string): string[] {
  return text
    .split(/\r\n|\n/)
    .filter((line) => line !== '')
    .sort()
}

const SESSION = ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0']
const AUDIO = ['m=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=mid:0', 'a=rtcp-mux', 'a=rtpmap:111 opus/48000/2']

/** A description of one audio section, with more lines at the session level and in the section. */
export function description(section: readonly string[] = [], session: readonly string[] = []): string {
  return [...SESSION, ...session, ...AUDIO, ...section, ''].join('\r\n')
}

/** The number of the first line that `description` adds to the section, and to the session level. */
export const SECTION_LINE = 9
export const SESSION_LINE = 5

/** More other formats and sections are read than are remembered. */
export function forgetFormats(): void {
  for (let i = 0; i < Math.max(MAX_REMEMBERED, MAX_KNOWN_SECTIONS); i++) {
    parseSdp(description([`a=fmtp:111 forgotten=${i}`], [`a=ice-options:${i}`]))
  }
}

const JUNK = [
  '',
  ' ',
  ':',
  '/',
  ';',
  '=',
  ',',
  '~',
  '*',
  '\t',
  '\u2028',
  '\0',
  '\r',
  '\n',
  '-1',
  '99999999999999999999',
  '__proto__',
  'é',
  '%d%s',
]

/** Some edits of a text. */
export function mutate(random: SeededRandom, text: string): string {
  let mutant = text
  for (let edits = 1 + random.integer(4); edits > 0; edits--) {
    const at = random.integer(mutant.length)
    const length = random.chance(0.7) ? random.integer(6) : random.integer(300)
    const other = random.integer(mutant.length)
    const insert = random.chance(0.5)
      ? JUNK[random.integer(JUNK.length)]!
      : mutant.slice(other, other + random.integer(80))
    mutant = mutant.slice(0, at) + insert + mutant.slice(at + length)
  }
  return mutant
}
