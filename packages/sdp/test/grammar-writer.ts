import {
  write as writeGrammar,
  type MediaDescription,
  type SessionDescription as Grammar,
} from 'sdp-transform'
import { hasSctpMap } from '../src/model.ts'
import type { MediaSection, SessionDescription, SimulcastStream, TransportAttributes } from '../src/index.ts'

type Attribute = { value: string }

/** The same as `writeSdp`, by the writer of `sdp-transform`: slow, and by other hands. */
export function writeByGrammar(description: SessionDescription): string {
  const { origin } = description
  const invalid: Attribute[] = []
  const grammar: Grammar = {
    version: 0,
    // the grammar's `%d` would round a version of 64 bits: the line is written whole below
    origin: {
      username: origin.username,
      sessionId: origin.sessionId,
      sessionVersion: 0,
      netType: 'IN',
      ipVer: origin.addressType === 'IP6' ? 6 : 4,
      address: origin.address,
    },
    name: description.name,
    timing: { start: 0, stop: 0 },
    ...(description.direction === undefined ? {} : { direction: description.direction }),
    ...(description.groups.length === 0
      ? {}
      : {
          groups: description.groups.map(({ semantics, mids }) => ({
            type: semantics,
            mids: mids.join(' '),
          })),
        }),
    ...(description.iceLite ? { icelite: 'ice-lite' as const } : {}),
    ...(description.extmapAllowMixed ? { extmapAllowMixed: 'extmap-allow-mixed' as const } : {}),
    ...transport(description, invalid),
    invalid,
    media: description.media.map(media),
  }
  for (const attribute of description.attributes) invalid.push({ value: attribute })
  const originLine = `o=${origin.username} ${origin.sessionId} ${origin.sessionVersion} IN ${origin.addressType} ${origin.address}`
  return writeGrammar(grammar).replace(/^o=.*$/m, () => originLine)
}

function transport(from: TransportAttributes, invalid: Attribute[]): Partial<Grammar> {
  const [first, ...more] = from.fingerprints
  // the grammar has room for one fingerprint
  for (const { algorithm, value } of more) invalid.push({ value: `fingerprint:${algorithm} ${value}` })
  return {
    ...(from.iceUfrag === undefined ? {} : { iceUfrag: from.iceUfrag }),
    ...(from.icePwd === undefined ? {} : { icePwd: from.icePwd }),
    ...(from.iceOptions.length === 0 ? {} : { iceOptions: from.iceOptions.join(' ') }),
    ...(first === undefined ? {} : { fingerprint: { type: first.algorithm, hash: first.value } }),
    ...(from.setup === undefined ? {} : { setup: from.setup }),
  }
}

function media(section: MediaSection): MediaDescription {
  const invalid: Attribute[] = []
  const { payloads } = section
  const description: MediaDescription = {
    type: section.kind,
    port: section.port,
    protocol: section.protocol,
    payloads: section.formats.join(' '),
    ...(section.connection === undefined
      ? {}
      : { connection: { version: section.connection.includes(':') ? 6 : 4, ip: section.connection } }),
    ...(section.bandwidth.length === 0
      ? {}
      : { bandwidth: section.bandwidth as NonNullable<MediaDescription['bandwidth']> }),
    ...(section.mid === undefined ? {} : { mid: section.mid }),
    ...(section.direction === undefined ? {} : { direction: section.direction }),
    rtp: payloads.map(({ pt, name, clockRate, channels }) => ({
      payload: pt,
      codec: name,
      rate: clockRate,
      ...(channels === undefined ? {} : { encoding: channels }),
    })),
    fmtp: payloads
      .filter(({ parameters }) => parameters !== undefined)
      .map(({ pt, parameters }) => ({ payload: pt, config: parameters ?? '' })),
    rtcpFb: payloads.flatMap(({ pt, feedback }) => feedback.map((type) => ({ payload: pt, type }))),
    ext: section.extensions.map(({ id, direction, uri, config }) => ({
      value: id,
      uri,
      ...(direction === undefined ? {} : { direction }),
      ...(config === undefined ? {} : { config }),
    })),
    ...(section.extmapAllowMixed ? { extmapAllowMixed: 'extmap-allow-mixed' as const } : {}),
    ...(section.rtcpMux ? { rtcpMux: 'rtcp-mux' as const } : {}),
    ...(section.rtcpReducedSize ? { rtcpRsize: 'rtcp-rsize' as const } : {}),
    ...(section.bundleOnly ? { bundleOnly: 'bundle-only' as const } : {}),
    ...(section.endOfCandidates ? { endOfCandidates: 'end-of-candidates' as const } : {}),
    ...(section.sctpPort === undefined || hasSctpMap(section) ? {} : { sctpPort: section.sctpPort }),
    ...(section.maxMessageSize === undefined ? {} : { maxMessageSize: section.maxMessageSize }),
    ...transport(section, invalid),
    rids: section.rids.map(({ id, direction, pts, restrictions }) => {
      const params = [
        ...(pts === undefined ? [] : [`pt=${pts.join(',')}`]),
        ...Object.entries(restrictions).map(([key, value]) => (value === '' ? key : `${key}=${value}`)),
      ]
      return { id, direction, ...(params.length === 0 ? {} : { params: params.join(';') }) }
    }),
    invalid,
  }
  writeSimulcast(section, description)
  // candidates, sources and streams are written as they are read: the grammar has them with fields that it would drop
  if (section.sctpInit !== undefined) invalid.push({ value: `sctp-init:${section.sctpInit}` })
  for (const candidate of section.candidates) invalid.push({ value: candidate })
  for (const { stream, track } of section.msids) {
    invalid.push({ value: track === undefined ? `msid:${stream}` : `msid:${stream} ${track}` })
  }
  for (const { semantics, ssrcs } of section.ssrcGroups) {
    invalid.push({ value: `ssrc-group:${semantics} ${ssrcs.join(' ')}` })
  }
  for (const { ssrc, attributes } of section.ssrcs) {
    if (attributes.length === 0) invalid.push({ value: `ssrc:${ssrc}` })
    for (const { name, value } of attributes) {
      invalid.push({ value: value === undefined ? `ssrc:${ssrc} ${name}` : `ssrc:${ssrc} ${name}:${value}` })
    }
  }
  for (const attribute of section.attributes) invalid.push({ value: attribute })
  return description
}

function writeSimulcast({ simulcast }: MediaSection, into: MediaDescription): void {
  if (simulcast === undefined) return
  const lists = (['send', 'recv'] as const)
    .map((way) => ({ way, list: streamList(simulcast[way]) }))
    .filter(({ list }) => list !== '')
  const [first, second] = lists
  if (first === undefined) return
  into.simulcast = {
    dir1: first.way,
    list1: first.list,
    ...(second === undefined ? {} : { dir2: second.way, list2: second.list }),
  }
}

function streamList(streams: readonly (readonly SimulcastStream[])[]): string {
  return streams
    .map((alternatives) => alternatives.map(({ rid, paused }) => (paused ? `~${rid}` : rid)).join(','))
    .join(';')
}
