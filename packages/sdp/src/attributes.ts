import type { Line, Section } from './lines.ts'
import type {
  Direction,
  ExtensionMap,
  Fingerprint,
  Group,
  RidDescription,
  Simulcast,
  SimulcastStream,
  SsrcDescription,
  SsrcGroup,
} from './model.ts'
import { SdpError } from './sdp-error.ts'

// Attributes that are read here and not by the grammar of `sdp-transform`, which knows narrower forms and drops what does not fit: one
// fingerprint, one ICE option, a msid without braces (Firefox writes them), a rid without hyphens, two words of feedback, names of
// codecs, groups and source attributes of fewer characters than a token has.

const MAX_U32 = 0xffff_ffff

/** RFC 8122 section 5: a hash name, and upper-case bytes; lower case is read too. */
const FINGERPRINT = /^fingerprint:([A-Za-z0-9-]+) ((?:[0-9A-Fa-f]{2}:)*[0-9A-Fa-f]{2})\s*$/

const NONE: readonly Line[] = []

export function attributesOf(section: Section, name: string): readonly Line[] {
  return section.attributes.get(name) ?? NONE
}

/** What stands after the name and its colon, without the spaces around it. */
export function attributeValue(line: Line): string {
  const colon = line.value.indexOf(':')
  return colon < 0 ? '' : line.value.slice(colon + 1).trim()
}

export function malformed(line: Line, why: string): SdpError {
  return new SdpError(why, line.number, `${line.type}=${line.value}`)
}

export function words(text: string): string[] {
  const parts = text.split(' ')
  return parts.includes('') ? parts.filter((word) => word !== '') : parts
}

export function readFingerprint(line: Line): Fingerprint {
  const match = FINGERPRINT.exec(line.value)
  if (match === null) throw malformed(line, 'malformed "fingerprint"')
  return { algorithm: match[1]!.toLowerCase(), value: match[2]!.toUpperCase() }
}

export function readGroup(line: Line): Group {
  const [semantics, ...mids] = words(attributeValue(line))
  return Object.freeze({ semantics: semantics!, mids: Object.freeze(mids) })
}

export function readMsid(line: Line): { stream: string; track?: string } {
  const [stream, track] = words(attributeValue(line))
  return track === undefined ? { stream: stream! } : { stream: stream!, track }
}

/** RFC 8866 section 6.6. The encoding parameter of audio is its number of channels. */
export function readRtpmap(line: Line): { pt: number; name: string; clockRate: number; channels?: number } {
  const value = attributeValue(line)
  const space = value.indexOf(' ')
  const [name, clockRate, channels] = value.slice(space + 1).split('/')
  const pt = Number(value.slice(0, space))
  const map = { pt, name: name!, clockRate: Number(clockRate) }
  return channels === undefined ? map : { ...map, channels: Number(channels) }
}

/** RFC 8285 section 5. */
export function readExtension(line: Line): ExtensionMap {
  const value = attributeValue(line)
  const space = value.indexOf(' ')
  const end = value.indexOf(' ', space + 1)
  const target = value.slice(0, space)
  const slash = target.indexOf('/')
  return {
    id: Number(slash < 0 ? target : target.slice(0, slash)),
    ...(slash >= 0 && { direction: target.slice(slash + 1) as Direction }),
    uri: end < 0 ? value.slice(space + 1) : value.slice(space + 1, end),
    ...(end >= 0 && { config: value.slice(end + 1) }),
  }
}

/** RFC 5576 section 4.1. */
export function readSsrcs(lines: readonly Line[]): SsrcDescription[] {
  const attributes = new Map<number, { name: string; value?: string }[]>()
  for (const line of lines) {
    const text = attributeValue(line)
    const space = text.indexOf(' ')
    const ssrc = readSsrc(line, space < 0 ? text : text.slice(0, space))
    let list = attributes.get(ssrc)
    if (list === undefined) attributes.set(ssrc, (list = []))
    if (space < 0) continue
    const attribute = text.slice(space + 1)
    const colon = attribute.indexOf(':')
    list.push(
      colon < 0
        ? { name: attribute }
        : { name: attribute.slice(0, colon), value: attribute.slice(colon + 1) },
    )
  }
  return Array.from(attributes, ([ssrc, list]) => ({ ssrc, attributes: list }))
}

export function readSsrcGroup(line: Line): SsrcGroup {
  const parts = words(attributeValue(line))
  return { semantics: parts[0]!, ssrcs: parts.slice(1).map((ssrc) => readSsrc(line, ssrc)) }
}

function readSsrc(line: Line, text: string): number {
  const ssrc = Number(text)
  if (ssrc > MAX_U32) throw malformed(line, 'an SSRC has 32 bits')
  return ssrc
}

/** RFC 8851 section 10. */
export function readRid(line: Line): RidDescription {
  const [id, direction, ...rest] = attributeValue(line).split(' ')
  const restrictions = new Map<string, string>()
  let pts: number[] | undefined
  for (const part of rest.join(' ').split(';')) {
    const text = part.trim()
    if (text === '') continue
    const equals = text.indexOf('=')
    const key = equals < 0 ? text : text.slice(0, equals)
    const value = equals < 0 ? '' : text.slice(equals + 1)
    if (key === 'pt') pts = readPayloadTypes(line, value)
    else restrictions.set(key, value)
  }
  return Object.freeze({
    id: id!,
    direction: direction === 'recv' ? 'recv' : 'send',
    ...(pts === undefined ? {} : { pts: Object.freeze(pts) }),
    // defines properties, so that a restriction named "__proto__" is one like any other
    restrictions: Object.freeze(Object.fromEntries(restrictions)),
  })
}

function readPayloadTypes(line: Line, list: string): number[] {
  const pts = list.split(',')
  if (!pts.every((pt) => /^\d{1,3}$/.test(pt) && Number(pt) <= 127)) {
    throw malformed(line, `"${list}" is no list of payload types`)
  }
  return pts.map(Number)
}

/** RFC 8853 section 5.1. A space after the colon is of an early draft, and still written. */
export function readSimulcast(line: Line): Simulcast {
  const [first, firstList, second, secondList] = words(attributeValue(line))
  if (first === second) throw malformed(line, 'simulcast in one direction twice')
  const streams = readStreams(line, firstList!)
  const others = second === undefined ? Object.freeze([]) : readStreams(line, secondList!)
  return Object.freeze(first === 'send' ? { send: streams, recv: others } : { send: others, recv: streams })
}

function readStreams(line: Line, list: string): Simulcast['send'] {
  const streams = list.split(';').map((alternatives) => {
    const of = alternatives.split(',').map((stream): SimulcastStream => {
      if (!/^~?[A-Za-z0-9_-]{1,255}$/.test(stream)) throw malformed(line, `"${stream}" is no rid`)
      const paused = stream.startsWith('~')
      return Object.freeze({ rid: paused ? stream.slice(1) : stream, paused })
    })
    return Object.freeze(of)
  })
  return Object.freeze(streams)
}
