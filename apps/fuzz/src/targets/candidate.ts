import { canonicalIpAddress, formatIpAddress, parseIpAddress, socketAddress } from '@str0m/sans-io'
import { Candidate } from '@str0m/stun-ice'
import { check, unlessRefused } from '../check.ts'
import { DESCRIPTIONS } from '../fixtures.ts'
import { FuzzInput, program } from '../input.ts'

// Lines of candidates, and addresses. What was read is written and read again.

function candidateLine(text: string): void {
  const candidate = Candidate.parse(text)
  if (candidate === undefined) return
  check(candidate.priority >= 1 && candidate.priority < 2 ** 31, 'a priority has 31 bits')
  check(candidate.address.port >= 0 && candidate.address.port <= 65_535, 'a port has 16 bits')
  const written = candidate.toString()
  check(!/[\r\n]/.test(written), 'a candidate is one line')
  const again = Candidate.parse(written)
  check(again?.toString() === written, `"${written}" is read as it was written`)
  if (candidate.isMdns) check(!candidate.withAddress('192.0.2.7').isMdns, 'a resolved one has an address')
}

function address(text: string): void {
  const bytes = parseIpAddress(text)
  const canonical = canonicalIpAddress(text)
  check((bytes === undefined) === (canonical === undefined), 'what can be parsed has a canonical form')
  if (bytes !== undefined && canonical !== undefined) {
    check(bytes.length === 4 || bytes.length === 16, 'an address has 4 or 16 bytes')
    check(canonicalIpAddress(canonical) === canonical, `"${canonical}" is its own canonical form`)
    const [withoutZone] = canonical.split('%')
    check(canonicalIpAddress(formatIpAddress(bytes)) === withoutZone, 'the bytes are those of the text')
  }
  unlessRefused(() => socketAddress(text))
}

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  const kind = input.below(2)
  const text = Buffer.from(input.rest()).toString('latin1')
  if (kind === 0) candidateLine(text)
  else address(text)
}

export function seeds(): Uint8Array[] {
  const lines = DESCRIPTIONS.flatMap((sdp) => sdp.match(/candidate:.*/g) ?? []).map((line) => line.trim())
  lines.push(
    'candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host generation 0 ufrag abcd network-id 1',
    'a=candidate:2 1 TCP 1 2001:db8::1 9 typ srflx raddr 0.0.0.0 rport 0 tcptype active',
    'candidate:3 1 udp 5 1c4a4a56-ab58.local 5000 typ host',
    'candidate:4 1 udp 5 198.51.100.1 5000 typ relay raddr 192.0.2.1 rport 1 ufrag x',
  )
  const addresses = [
    '192.0.2.1:80',
    '[::1]:5',
    '::ffff:127.0.0.1',
    '2001:db8::1:0:0:1',
    'fe80::1%eth0',
    '1.2.3',
    '::',
  ]
  return [...lines.map((line) => program(0, line)), ...addresses.map((text) => program(1, text))]
}
