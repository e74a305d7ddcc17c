import {
  parse as parseGrammar,
  type MediaDescription,
  type SessionDescription as Grammar,
} from 'sdp-transform'
import { attributeName, type Line, type Section, splitSections } from './lines.ts'
import {
  type Direction,
  type ExtensionMap,
  type Fingerprint,
  type MediaSection,
  mediaSection,
  type PayloadFormat,
  type RidDescription,
  type SessionDescription,
  sessionDescription,
  type Setup,
  type Simulcast,
  type SimulcastStream,
  type SsrcDescription,
  type TransportAttributes,
} from './model.ts'
import { SdpError } from './sdp-error.ts'
import { STATIC_PAYLOADS } from './static-payloads.ts'

/** Attributes that the model has a place for; all others are kept as they are written. */
const SESSION_ATTRIBUTES = new Set([
  'group',
  'ice-lite',
  'ice-ufrag',
  'ice-pwd',
  'ice-options',
  'fingerprint',
  'setup',
  'extmap-allow-mixed',
  'sendrecv',
  'sendonly',
  'recvonly',
  'inactive',
])
const MEDIA_ATTRIBUTES = new Set([
  'mid',
  'sendrecv',
  'sendonly',
  'recvonly',
  'inactive',
  'rtpmap',
  'fmtp',
  'rtcp-fb',
  'extmap',
  'extmap-allow-mixed',
  'rtcp-mux',
  'rtcp-rsize',
  'bundle-only',
  'ice-ufrag',
  'ice-pwd',
  'ice-options',
  'fingerprint',
  'setup',
  'candidate',
  'end-of-candidates',
  'msid',
  'ssrc',
  'ssrc-group',
  'rid',
  'simulcast',
  'sctp-port',
  'max-message-size',
])
/**
 * Attributes of the model that are read here and not by the grammar, which knows a narrower form: one
 * fingerprint, a msid without braces (Firefox writes them), a rid without hyphens, two words of feedback.
 */
const OWN_ATTRIBUTES = new Set(['fingerprint', 'candidate', 'msid', 'rid', 'rtcp-fb'])
/** Attributes that stand at most once in a section: a second one would silently win. */
const SINGLE_ATTRIBUTES = new Set([
  'mid',
  'ice-ufrag',
  'ice-pwd',
  'setup',
  'simulcast',
  'sctp-port',
  'max-message-size',
])
const SETUPS = new Set<string>(['actpass', 'active', 'passive', 'holdconn'])
/** RFC 8122 section 5: a hash name, and upper-case bytes; lower case is read too. */
const FINGERPRINT = /^fingerprint:([A-Za-z0-9-]+) ((?:[0-9A-Fa-f]{2}:)*[0-9A-Fa-f]{2})\s*$/
const MEDIA_LINE = /^[\w-]+ \d{1,5}(\/\d+)? [\w/-]+( \S+)*\s*$/
/** Forms that the grammar below reads past where they are wrong. */
const FORMS: Readonly<Record<string, RegExp>> = {
  rtpmap: /^rtpmap:\d{1,3} [^\s/]+\/\d+(\/\d+)?\s*$/,
  fmtp: /^fmtp:\d{1,3} .+$/,
  'rtcp-fb': /^rtcp-fb:(\d{1,3}|\*) \S.*$/,
  extmap: /^extmap:\d{1,5}(\/(sendrecv|sendonly|recvonly|inactive))? \S+( .*)?$/,
  mid: /^mid:\S{1,255}\s*$/,
  'ice-ufrag': /^ice-ufrag:[A-Za-z0-9+/=_-]{4,256}\s*$/,
  'ice-pwd': /^ice-pwd:[A-Za-z0-9+/=_-]{22,256}\s*$/,
  ssrc: /^ssrc:\d{1,10}( \S.*)?$/,
  'ssrc-group': /^ssrc-group:\S+( \d{1,10})+\s*$/,
  rid: /^rid:[A-Za-z0-9_-]{1,255} (send|recv)( \S.*)?$/,
  simulcast: /^simulcast:\s?(send|recv) \S+( (send|recv) \S+)?\s*$/,
  candidate: /^candidate:\S+ \d+ \S+ \d+ \S+ \d+ typ \S+.*$/,
  'sctp-port': /^sctp-port:\d{1,5}\s*$/,
  'max-message-size': /^max-message-size:\d{1,19}\s*$/,
  msid: /^msid:\S+( \S+)?\s*$/,
  group: /^group:\S+( \S+)*\s*$/,
}

/**
 * Reads a session description. What the model has no place for is kept in `attributes`. Throws an `SdpError`
 * that names the line at fault.
 */
export function parseSdp(text: string): SessionDescription {
  if (typeof text !== 'string') throw new SdpError('a session description is a string')
  const { session, media } = splitSections(text)
  const description = readSession(session)
  for (const section of media) description.media.push(readMedia(section))
  checkMids(description, media)
  return description
}

function readSession(lines: Section): SessionDescription {
  checkForms(lines, SESSION_ATTRIBUTES)
  const grammar = parseGrammar(textFor(lines, SESSION_ATTRIBUTES))
  const originLine = lines.find((line) => line.type === 'o')!
  const origin = grammar.origin as Grammar['origin'] | undefined
  if (origin === undefined || origin.username === undefined) {
    throw new SdpError(
      'not "o=<username> <id> <version> IN IP4|IP6 <address>"',
      originLine.number,
      `o=${originLine.value}`,
    )
  }
  const [, , sessionVersion] = originLine.value.split(' ')
  const description = sessionDescription(String(origin.sessionId), sessionVersion ?? '0')
  description.origin = {
    ...description.origin,
    username: String(origin.username),
    addressType: origin.ipVer === 6 ? 'IP6' : 'IP4',
    address: String(origin.address),
  }
  description.name = lines.find((line) => line.type === 's')?.value ?? '-'
  for (const group of grammar.groups ?? []) {
    const mids = String(group.mids)
      .split(' ')
      .filter((mid) => mid !== '')
    description.groups.push({ semantics: group.type, mids })
  }
  description.iceLite = grammar.icelite !== undefined
  description.extmapAllowMixed = grammar.extmapAllowMixed !== undefined
  if (grammar.direction !== undefined) description.direction = grammar.direction
  readTransport(description, grammar, lines)
  description.attributes = unknownAttributes(lines, SESSION_ATTRIBUTES)
  return description
}

function readMedia(lines: Section): MediaSection {
  const first = lines[0]!
  if (!MEDIA_LINE.test(first.value)) {
    throw new SdpError('not "m=<media> <port> <protocol> <formats>"', first.number, `m=${first.value}`)
  }
  checkForms(lines, MEDIA_ATTRIBUTES)
  const grammar = parseGrammar(textFor(lines, MEDIA_ATTRIBUTES)).media[0]!
  const [kind, port, protocol, ...formats] = first.value.trim().split(' ')
  const section = mediaSection(kind!, protocol!)
  section.port = Number.parseInt(port!, 10)
  if (section.port > 65535) throw new SdpError('a port is at most 65535', first.number, `m=${first.value}`)
  section.formats = formats
  if (grammar.connection !== undefined) section.connection = String(grammar.connection.ip)
  section.bandwidth = (grammar.bandwidth ?? []).map(({ type, limit }) => ({ type, limit: Number(limit) }))
  if (grammar.mid !== undefined) section.mid = String(grammar.mid)
  if (grammar.direction !== undefined) section.direction = grammar.direction
  section.payloads = protocol!.includes('RTP') ? readPayloads(formats, grammar, lines) : []
  section.extensions = (grammar.ext ?? []).map(readExtension)
  section.extmapAllowMixed = grammar.extmapAllowMixed !== undefined
  section.rtcpMux = grammar.rtcpMux !== undefined
  section.rtcpReducedSize = grammar.rtcpRsize !== undefined
  section.bundleOnly = grammar.bundleOnly !== undefined
  section.endOfCandidates = grammar.endOfCandidates !== undefined
  section.candidates = attributesOf(lines, 'candidate').map((line) => line.value)
  readTransport(section, grammar, lines)
  readSources(section, grammar)
  section.msids = attributesOf(lines, 'msid').map((line) => {
    const [stream, track] = line.value.slice('msid:'.length).trim().split(' ')
    return track === undefined ? { stream: stream! } : { stream: stream!, track }
  })
  section.rids = attributesOf(lines, 'rid').map(readRid)
  if (grammar.simulcast !== undefined) section.simulcast = readSimulcast(grammar.simulcast)
  if (grammar.sctpPort !== undefined) section.sctpPort = Number(grammar.sctpPort)
  if (grammar.maxMessageSize !== undefined) section.maxMessageSize = Number(grammar.maxMessageSize)
  section.attributes = unknownAttributes(lines, MEDIA_ATTRIBUTES)
  for (const { value } of grammar.invalid ?? []) section.attributes.push(value)
  return section
}

/** The lines for the grammar: those of other types than `a=`, and the attributes of the model. */
function textFor(lines: Section, names: ReadonlySet<string>): string {
  return lines
    .filter((line) => {
      if (line.type !== 'a') return true
      const name = attributeName(line)
      return names.has(name) && !OWN_ATTRIBUTES.has(name)
    })
    .map((line) => `${line.type}=${line.value}\r\n`)
    .join('')
}

function attributesOf(lines: Section, name: string): Line[] {
  return lines.filter((line) => line.type === 'a' && attributeName(line) === name)
}

function unknownAttributes(lines: Section, known: ReadonlySet<string>): string[] {
  return lines
    .filter((line) => line.type === 'a' && !known.has(attributeName(line)))
    .map((line) => line.value)
}

function checkForms(lines: Section, known: ReadonlySet<string>): void {
  const seen = new Set<string>()
  for (const line of lines) {
    if (line.type !== 'a') continue
    const name = attributeName(line)
    if (!known.has(name)) continue
    const text = `a=${line.value}`
    const form = FORMS[name]
    if (form !== undefined && !form.test(line.value))
      throw new SdpError(`malformed "${name}"`, line.number, text)
    if (SINGLE_ATTRIBUTES.has(name)) {
      if (seen.has(name)) throw new SdpError(`"${name}" stands twice in one section`, line.number, text)
      seen.add(name)
    }
  }
}

function readTransport(into: TransportAttributes, grammar: Grammar | MediaDescription, lines: Section): void {
  // the grammar turns what looks like a number into one; its text is the same again
  if (grammar.iceUfrag !== undefined) into.iceUfrag = String(grammar.iceUfrag).trim()
  if (grammar.icePwd !== undefined) into.icePwd = String(grammar.icePwd).trim()
  if (grammar.iceOptions !== undefined) into.iceOptions = String(grammar.iceOptions).trim().split(' ')
  // the grammar keeps the last of several fingerprints: read them here (RFC 8122 section 5 allows more)
  into.fingerprints = attributesOf(lines, 'fingerprint').map(readFingerprint)
  if (grammar.setup !== undefined) {
    const setup = String(grammar.setup).trim()
    const line = attributesOf(lines, 'setup')[0]!
    if (!SETUPS.has(setup)) throw new SdpError('unknown setup role', line.number, `a=${line.value}`)
    into.setup = setup as Setup
  }
}

function readFingerprint(line: Line): Fingerprint {
  const match = FINGERPRINT.exec(line.value)
  if (match === null) throw new SdpError('malformed "fingerprint"', line.number, `a=${line.value}`)
  return { algorithm: match[1]!.toLowerCase(), value: match[2]!.toUpperCase() }
}

function readPayloads(formats: string[], grammar: MediaDescription, lines: Section): PayloadFormat[] {
  const feedbacks = attributesOf(lines, 'rtcp-fb').map((line) => {
    const [target, ...words] = line.value.slice('rtcp-fb:'.length).trim().split(' ')
    return { target, type: words.join(' ') }
  })
  const maps = new Map(grammar.rtp.map((map) => [map.payload, map]))
  const parameters = new Map(grammar.fmtp.map((fmtp) => [fmtp.payload, String(fmtp.config)]))
  const payloads: PayloadFormat[] = []
  for (const format of formats) {
    const pt = Number(format)
    if (!/^\d{1,3}$/.test(format) || pt > 127) {
      const first = lines[0]!
      throw new SdpError(`"${format}" is no payload type`, first.number, `m=${first.value}`)
    }
    const map = maps.get(pt) ?? STATIC_PAYLOADS.get(pt)
    // RFC 8866 section 6.6: a dynamic payload type without rtpmap has no meaning; it stays in `formats`
    if (map === undefined || payloads.some((payload) => payload.pt === pt)) continue
    const feedback = feedbacks
      .filter(({ target }) => target === '*' || target === format)
      .map(({ type }) => type)
    const fmtp = parameters.get(pt)
    payloads.push({
      pt,
      name: String(map.codec),
      clockRate: Number(map.rate),
      ...(map.encoding === undefined ? {} : { channels: Number(map.encoding) }),
      ...(fmtp === undefined ? {} : { parameters: fmtp.trim() }),
      feedback,
    })
  }
  return payloads
}

function readExtension(ext: NonNullable<MediaDescription['ext']>[number]): ExtensionMap {
  const encrypted = ext['encrypt-uri']
  return {
    id: Number(ext.value),
    ...(ext.direction === undefined ? {} : { direction: ext.direction as Direction }),
    uri: encrypted === undefined ? ext.uri : `${encrypted} ${ext.uri}`,
    ...(ext.config === undefined ? {} : { config: String(ext.config) }),
  }
}

function readSources(section: MediaSection, grammar: MediaDescription): void {
  const attributes = new Map<number, { name: string; value?: string }[]>()
  for (const { id, attribute, value } of grammar.ssrcs ?? []) {
    const ssrc = Number(id)
    if (ssrc > 0xffff_ffff) continue
    const list = attributes.get(ssrc) ?? []
    attributes.set(ssrc, list)
    if (attribute !== undefined) {
      list.push(value === undefined ? { name: attribute } : { name: attribute, value: String(value) })
    }
  }
  section.ssrcs = [...attributes].map(([ssrc, list]): SsrcDescription => ({ ssrc, attributes: list }))
  for (const { semantics, ssrcs } of grammar.ssrcGroups ?? []) {
    section.ssrcGroups.push({ semantics, ssrcs: String(ssrcs).trim().split(' ').map(Number) })
  }
}

function readRid(line: Line): RidDescription {
  const [id, direction, ...params] = line.value.slice('rid:'.length).trim().split(' ')
  const restrictions = new Map<string, string>()
  let pts: number[] | undefined
  for (const part of params.join(' ').split(';')) {
    const [key, value = ''] = part.trim().split('=', 2)
    if (key === undefined || key === '') continue
    if (key === 'pt') pts = value.split(',').map(Number)
    else restrictions.set(key, value)
  }
  return {
    id: id!,
    direction: direction === 'recv' ? 'recv' : 'send',
    ...(pts === undefined ? {} : { pts }),
    restrictions: Object.fromEntries(restrictions),
  }
}

function readSimulcast(grammar: NonNullable<MediaDescription['simulcast']>): Simulcast {
  const lists = { send: [] as SimulcastStream[][], recv: [] as SimulcastStream[][] }
  lists[grammar.dir1] = readStreamList(grammar.list1)
  if (grammar.dir2 !== undefined) lists[grammar.dir2] = readStreamList(grammar.list2 ?? '')
  return lists
}

function readStreamList(list: string): SimulcastStream[][] {
  return String(list)
    .split(';')
    .filter((alternatives) => alternatives !== '')
    .map((alternatives) =>
      alternatives.split(',').map((id) => ({ rid: id.replace(/^~/, ''), paused: id.startsWith('~') })),
    )
}

/** RFC 9143 section 7.1 and RFC 5888: a mid names one section, and a group names sections that exist. */
function checkMids(description: SessionDescription, media: readonly Section[]): void {
  const mids = new Set<string>()
  description.media.forEach((section, i) => {
    if (section.mid === undefined) return
    if (mids.has(section.mid)) {
      const line = attributesOf(media[i]!, 'mid')[0]!
      throw new SdpError('the mid of another section', line.number, `a=${line.value}`)
    }
    mids.add(section.mid)
  })
  for (const group of description.groups) {
    for (const mid of group.mids) {
      if (!mids.has(mid))
        throw new SdpError(`the group ${group.semantics} names the mid "${mid}", which no section has`)
    }
  }
}
