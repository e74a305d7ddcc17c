// `npm test`: installs, builds and passes all tests. What follows `--` goes to vitest.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build, checkNode, install, root, run } from './workspace.mjs'

const results = join(root, 'coverage', 'results.json')
const coverage = join(root, 'coverage', 'coverage-summary.json')

checkNode()
install()
build()
rmSync(results, { force: true })
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`]
const args = process.argv.slice(2)
const whole = args.length === 0
const code = run(process.execPath, [vitest, 'run', ...(whole ? ['--coverage'] : []), ...reporters, ...args])
if (!existsSync(results)) process.exit(code === 0 ? 1 : code)

const report = JSON.parse(readFileSync(results, 'utf8'))
const tests = report.testResults.flatMap((file) => file.assertionResults)
const skipped = tests.filter(({ status }) => status !== 'passed' && status !== 'failed')
if (whole && existsSync(coverage)) {
  const { lines } = JSON.parse(readFileSync(coverage, 'utf8')).total
  console.log(`Line coverage of packages/*/src: ${lines.pct} %`)
}
/** What a test needs stands in brackets at the start of its group's name. */
const needs = [
  ['[browser] chromium', 'Chromium', 'apt-get install chromium, or give its path in CHROMIUM'],
  ['[browser] many', 'Chromium', 'apt-get install chromium, or give its path in CHROMIUM'],
  ['[browser] firefox', 'Firefox', 'apt-get install firefox-esr, or give its path in FIREFOX'],
  ['[ipv6]', 'IPv6 address', 'Firefox needs one of a network, Chromium one of loopback'],
  ['[openssl]', 'openssl', 'apt-get install openssl'],
  ['[gnutls]', 'GnuTLS or no openssl', 'apt-get install gnutls-bin openssl'],
  ['[mbedtls]', 'Mbed TLS, compiler or openssl', 'apt-get install libmbedtls-dev gcc openssl'],
  ['[usrsctp]', 'usrsctp or compiler', 'apt-get install libusrsctp-dev gcc'],
  ['[coturn]', 'coturn', 'apt-get install --no-install-recommends coturn'],
  [
    '[whip-client]',
    'WHIP client of Meetecho',
    'apt-get install --no-install-recommends simple-whip-client gcc',
  ],
  [
    '[gstreamer]',
    'webrtcbin',
    'apt-get install --no-install-recommends python3-gi gir1.2-gst-plugins-base-1.0 gir1.2-gst-plugins-bad-1.0 ' +
      'gstreamer1.0-nice gstreamer1.0-libav gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly',
  ],
  ['[film]', 'Chromium or no ffmpeg', 'apt-get install chromium ffmpeg'],
  ['[janus]', 'Janus', 'apt-get install --no-install-recommends janus ffmpeg'],
  ['[bun]', 'Bun', 'npm install --global bun, or give its path in BUN'],
  ['[deno]', 'Deno', 'npm install --global deno, or give its path in DENO'],
  ['[aiortc]', 'aiortc', 'apt-get install --no-install-recommends python3-aiortc'],
  [
    '[pion]',
    'Pion',
    'apt-get install --no-install-recommends golang-go golang-github-pion-webrtc.v3-dev ffmpeg',
  ],
]
for (const [group, what, how] of needs) {
  const count = skipped.filter(({ fullName }) => fullName.includes(group)).length
  if (count > 0) console.log(`${count} tests of "${group}" were left out: there is no ${what} here (${how})`)
}
const failed =
  report.numFailedTests +
  report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  ).length
console.log(`${report.numPassedTests} passed, ${failed} failed, ${skipped.length} skipped`)
process.exit(code)
