import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The root of the workspace, from the sources and from the bundles that the fuzzer runs. */
export const ROOT: string = findRoot(import.meta.dirname)

function findRoot(folder: string): string {
  if (existsSync(join(folder, 'pnpm-workspace.yaml'))) return folder
  const parent = dirname(folder)
  if (parent === folder) throw new Error('This is to be run inside the workspace')
  return findRoot(parent)
}

/** A text that the tests of a package have, by its path in the workspace. */
function textFixture(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

/** The datagrams of a capture, one in each line. */
export function capture(path: string): Uint8Array[] {
  return textFixture(path)
    .trim()
    .split('\n')
    .map((line) => Uint8Array.from(Buffer.from(line.trim(), 'hex')))
}

/** Descriptions of real browsers. */
export const DESCRIPTIONS: readonly string[] = [
  'packages/rtc/test/fixtures/chromium-offer.sdp',
  'packages/rtc/test/fixtures/firefox-offer.sdp',
  'packages/rtc/test/fixtures/chromium-answer.sdp',
  'packages/rtc/test/fixtures/firefox-answer.sdp',
  'packages/sdp/test/fixtures/aiortc-offer.sdp',
].map((path) => textFixture(path))
