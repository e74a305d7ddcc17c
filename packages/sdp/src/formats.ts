import { attributeValue, malformed, readExtension, readRtpmap, words } from './attributes.ts'
import { formatLine, type Line, type Section } from './lines.ts'
import type { ExtensionMap, PayloadFormat } from './model.ts'
import { STATIC_PAYLOADS } from './static-payloads.ts'

/** What a media section says of its payload types and header extensions. */
export interface Formats {
  readonly payloads: readonly PayloadFormat[]
  readonly extensions: readonly ExtensionMap[]
}

/** Most texts that are remembered, and the length of the longest, in UTF-16 units: a browser's video has about 5000. */
export const MAX_REMEMBERED = 64
const MAX_REMEMBERED_LENGTH = 8192

/**
 * What was read before, by its text, the latest last. Peers are a few browsers, and what one writes of its formats is the same for each of its users: half of a
 * description. What is worked out from it can be kept beside it, since the same text gives the same lists.
 */
const remembered = new Map<string, Formats>()

const PAYLOAD_TYPE = /^\d{1,3}$/
/** What an attribute has to look like. The readers rely on it. */
const FORMS: Readonly<Record<string, RegExp>> = {
  rtpmap: /^rtpmap:\d{1,3} [^\s/]+\/[1-9]\d{0,8}(\/[1-9]\d{0,2})?\s*$/,
  fmtp: /^fmtp:\d{1,3} +\S.*$/,
  'rtcp-fb': /^rtcp-fb:(\d{1,3}|\*) \S.*$/,
  extmap: /^extmap:\d{1,5}(\/(sendrecv|sendonly|recvonly|inactive))? \S+( .*)?$/,
}

/** Reads the formats of a section. `types`: the formats of its `m=` line; `undefined` where they are no payload types. Throws an `SdpError`. */
export function readFormats(types: readonly string[] | undefined, section: Section): Formats {
  // an `m=` line has a format at least: without one, they are no payload types
  const text = `${types?.join(' ') ?? ''}\n${section.formatRows.join('\n')}`
  const known = remembered.get(text)
  if (known !== undefined) {
    // the latest last
    remembered.delete(text)
    remembered.set(text, known)
    return known
  }
  const formats = parseFormats(text, section)
  if (text.length <= MAX_REMEMBERED_LENGTH) remember(text, formats)
  return formats
}

function remember(text: string, formats: Formats): void {
  if (remembered.size === MAX_REMEMBERED) remembered.delete(remembered.keys().next().value!)
  remembered.set(text, formats)
}

/** Reads `text` alone: what is remembered holds no part of the rest of a description, which has secrets. */
function parseFormats(text: string, section: Section): Formats {
  const [head, ...rows] = text.split('\n')
  const named: Record<string, Line[]> = { rtpmap: [], fmtp: [], 'rtcp-fb': [], extmap: [] }
  rows.forEach((row, i) => {
    if (row === '') return
    const line = formatLine(row, section.formatNumbers[i]!)
    if (!FORMS[line.name]!.test(line.value)) throw malformed(line, `malformed "${line.name}"`)
    named[line.name]!.push(line)
  })
  const types = head === '' ? [] : head!.split(' ')
  return Object.freeze({
    payloads: readPayloads(types, named, section.lines[0]!),
    extensions: Object.freeze(named.extmap!.map((line) => Object.freeze(readExtension(line)))),
  })
}

function readPayloads(
  types: readonly string[],
  { rtpmap, fmtp, 'rtcp-fb': feedbackLines }: Readonly<Record<string, readonly Line[]>>,
  mediaLine: Line,
): readonly PayloadFormat[] {
  const maps = new Map<number, ReturnType<typeof readRtpmap>>()
  for (const line of rtpmap!) {
    const map = readRtpmap(line)
    maps.set(map.pt, map)
  }
  const parameters = new Map<number, string>()
  for (const line of fmtp!) {
    const value = attributeValue(line)
    const space = value.indexOf(' ')
    parameters.set(Number(value.slice(0, space)), value.slice(space + 1).trim())
  }
  const payloads: PayloadFormat[] = []
  const seen = new Set<number>()
  const feedbacks = new Map<string, string[]>()
  for (const type of types) {
    const pt = Number(type)
    if (!PAYLOAD_TYPE.test(type) || pt > 127) throw malformed(mediaLine, `"${type}" is no payload type`)
    const map = maps.get(pt) ?? STATIC_PAYLOADS.get(pt)
    // RFC 8866 section 6.6: a dynamic payload type without rtpmap has no meaning; it stays in `formats`
    if (map === undefined || seen.has(pt)) continue
    seen.add(pt)
    const feedback: string[] = []
    feedbacks.set(type, feedback)
    const { name, clockRate, channels } = map
    const ofType = parameters.get(pt)
    payloads.push({
      pt,
      name,
      clockRate,
      ...(channels !== undefined && { channels }),
      ...(ofType !== undefined && { parameters: ofType }),
      feedback,
    })
  }
  for (const line of feedbackLines!) addFeedback(feedbacks, attributeValue(line))
  for (const format of payloads) {
    Object.freeze(format.feedback)
    Object.freeze(format)
  }
  return Object.freeze(payloads)
}

/** RFC 4585 section 4.2: `*` stands for all payload types. */
function addFeedback(feedbacks: ReadonlyMap<string, string[]>, value: string): void {
  const space = value.indexOf(' ')
  const target = value.slice(0, space)
  const rest = value.slice(space + 1)
  const type = rest.includes('  ') || rest.startsWith(' ') ? words(rest).join(' ') : rest
  if (target !== '*') feedbacks.get(target)?.push(type)
  else for (const feedback of feedbacks.values()) feedback.push(type)
}
