/** A server that helps clients to find a path, as a browser's `RTCIceServer`. */
export interface IceServer {
  /** RFC 7064 (STUN) or RFC 7065 (TURN). */
  readonly url: string
  /** Of TURN. */
  readonly credentials?: { readonly username: string; readonly credential: string }
}

const URL = /^(stun|turn)s?:(?:\[[\dA-Fa-f:.]+\]|[\w.~-]+)(?::\d{1,5})?(?:\?transport=(?:udp|tcp))?$/
/** What a header field has within quotes (RFC 9110 section 5.6.4). */
const VISIBLE = /^[\x21-\x7e]+$/

/**
 * Reads servers, with commas between: `stun:host`, or `turn:host?transport=udp username credential`. Throws an `Error` that says which one is wrong, without what
 * is secret in it.
 */
export function parseIceServers(name: string, text: string): IceServer[] {
  return text
    .split(',')
    .map((server) => server.trim())
    .filter((server) => server !== '')
    .map((server) => parseIceServer(name, server))
}

function parseIceServer(name: string, text: string): IceServer {
  const [url, username, credential, ...rest] = text.split(/ +/)
  const scheme = URL.exec(url!)?.[1]
  if (scheme === undefined) throw new Error(`${name}: "${url}" is no address of a STUN or TURN server`)
  if (scheme === 'stun') {
    if (username !== undefined) throw new Error(`${name}: "${url}" takes no username, since it is STUN`)
    return { url: url! }
  }
  if (username === undefined || credential === undefined || rest.length > 0) {
    throw new Error(`${name}: "${url}" is followed by a username and a credential, with spaces between`)
  }
  if (!VISIBLE.test(username) || !VISIBLE.test(credential)) {
    throw new Error(`${name}: the username and the credential of "${url}" are of ASCII characters`)
  }
  return { url: url!, credentials: { username, credential } }
}

/** The value of a `Link` field that names a server, RFC 9725 section 4.6. */
export function iceServerLink({ url, credentials }: IceServer): string {
  const link = `<${url}>; rel="ice-server"`
  if (credentials === undefined) return link
  const { username, credential } = credentials
  return `${link}; username=${quoted(username)}; credential=${quoted(credential)}; credential-type="password"`
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}
