import { canonicalIpAddress, type SocketAddress } from '@str0m/sans-io'
import type { CandidateFields, CandidateType, TcpType } from './candidate-fields.ts'

/** A line of a browser has about 150 characters. */
const MAX_LINE_LENGTH = 1024
const TYPES: ReadonlySet<string> = new Set(['host', 'srflx', 'prflx', 'relay'])
/** A name of one label that multicast DNS resolves: draft-ietf-mmusic-mdns-ice-candidates section 3.1.1. */
const MDNS_NAME = /^[0-9a-z-]{1,63}\.local$/i

/** Reads the grammar of RFC 8839 section 5.1. `undefined` for what it does not give, or must be ignored. */
export function parseCandidate(line: string): CandidateFields | undefined {
  // out of JSON that the peer has sent, it may be anything
  if (typeof line !== 'string' || line.length > MAX_LINE_LENGTH) return undefined
  const match = /^(?:a=)?candidate:(.*?)[\r\n]*$/i.exec(line)
  const words = match?.[1]!.split(' ') ?? []
  const [foundation, component, transport, priority, host, port, typ, typeName] = words
  // RFC 5234 section 2.3: the strings of a grammar have no case
  const protocol = transport?.toLowerCase()
  const type = typeName?.toLowerCase()
  if (foundation === undefined || !/^[0-9a-z+/]{1,32}$/i.test(foundation)) return undefined
  if (protocol !== 'udp' && protocol !== 'tcp') return undefined
  if (typ?.toLowerCase() !== 'typ' || type === undefined || !isType(type)) return undefined
  const address = parseAddress(host, port)
  const componentId = parseInteger(component, 1, 256)
  const priorityValue = parseInteger(priority, 1, 2 ** 31 - 1)
  if (address === undefined || componentId === undefined || priorityValue === undefined) return undefined
  const extensions = parseExtensions(words.slice(8))
  if (extensions === undefined) return undefined
  return {
    type,
    protocol,
    address,
    // what a peer's base is, is not known; it is its own affair
    base: address,
    priority: priorityValue,
    foundation,
    component: componentId,
    relatedAddress: parseAddress(extensions.get('raddr'), extensions.get('rport')),
    tcpType: protocol === 'tcp' ? parseTcpType(extensions.get('tcptype')) : undefined,
    ufrag: extensions.get('ufrag'),
  }
}

/** Writes the grammar of RFC 8839 section 5.1, without `a=`. */
export function formatCandidate(from: CandidateFields): string {
  const { foundation, component, protocol, priority, address, type, relatedAddress, tcpType, ufrag } = from
  let line = `candidate:${foundation} ${component} ${protocol} ${priority} ${address.address} ${address.port} typ ${type}`
  if (relatedAddress !== undefined) line += ` raddr ${relatedAddress.address} rport ${relatedAddress.port}`
  if (tcpType !== undefined) line += ` tcptype ${tcpType}`
  if (ufrag !== undefined) line += ` ufrag ${ufrag}`
  return line
}

function isType(text: string): text is CandidateType {
  return TYPES.has(text)
}

function parseTcpType(text: string | undefined): TcpType | undefined {
  const type = text?.toLowerCase()
  return type === 'active' || type === 'passive' || type === 'so' ? type : undefined
}

/** Names and values in turn; an empty value says nothing. `undefined` where a name has no value. */
function parseExtensions(words: readonly string[]): Map<string, string> | undefined {
  if (words.at(-1) === '') return parseExtensions(words.slice(0, -1))
  if (words.length % 2 !== 0) return undefined
  const extensions = new Map<string, string>()
  for (let i = 0; i < words.length; i += 2) {
    const [name, value] = [words[i]!.toLowerCase(), words[i + 1]!]
    if (value !== '' && !extensions.has(name)) extensions.set(name, value)
  }
  return extensions
}

function parseAddress(host: string | undefined, port: string | undefined): SocketAddress | undefined {
  const number = parseInteger(port, 0, 65_535)
  if (host === undefined || number === undefined) return undefined
  const address = MDNS_NAME.test(host) ? host.toLowerCase() : canonicalIpAddress(host)
  return address === undefined ? undefined : { address, port: number }
}

function parseInteger(text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined
  const value = Number(text)
  return value >= min && value <= max ? value : undefined
}
