import { mkdir, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { measureConnect } from './connect.ts'
import { measureData } from './data.ts'
import { measureEngine } from './engine.ts'
import { measureForward } from './forward.ts'
import { measureIdle } from './idle.ts'
import { formatSection, isMet, type Section } from './report.ts'
import { measureRtp } from './rtp.ts'
import { type Part, parseSettings, type Settings, USAGE } from './settings.ts'
import { measureSockets } from './sockets.ts'
import { measureSrtp } from './srtp.ts'

const MEASURES: Record<Part, (settings: Settings) => Promise<Section>> = {
  srtp: measureSrtp,
  engine: measureEngine,
  sockets: measureSockets,
  connect: measureConnect,
  idle: measureIdle,
  data: measureData,
  rtp: measureRtp,
  forward: measureForward,
}
const RESULTS = fileURLToPath(new URL('../results/', import.meta.url))

async function run(settings: Settings): Promise<void> {
  const start = performance.now()
  const machine = {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
  }
  console.log(
    `Node ${machine.node}, ${machine.platform}, ${machine.cores} × ${machine.cpu}${settings.quick ? ', quick: the numbers are rough' : ''}\n`,
  )
  const sections: Record<string, Section> = {}
  for (const part of settings.parts) {
    const section = await MEASURES[part](settings)
    sections[part] = section
    console.log(`${formatSection(section)}\n`)
  }
  const goals = Object.values(sections).flatMap((section) => section.goals)
  const seconds = (performance.now() - start) / 1000
  console.log(`${goals.filter(isMet).length} of ${goals.length} goals met, in ${seconds.toFixed(0)} s`)
  await mkdir(RESULTS, { recursive: true })
  const date = new Date().toISOString()
  const file = join(RESULTS, `${date.replaceAll(':', '-')}.json`)
  const report = { date, machine, settings, seconds, sections: withVerdicts(sections) }
  await writeFile(file, `${JSON.stringify(report, undefined, 2)}\n`)
  console.log(`Written to ${file}`)
}

function withVerdicts(sections: Record<string, Section>): object {
  return Object.fromEntries(
    Object.entries(sections).map(([part, section]) => [
      part,
      { ...section, goals: section.goals.map((goal) => ({ ...goal, met: isMet(goal) })) },
    ]),
  )
}

try {
  const settings = parseSettings(process.argv.slice(2))
  if (settings === 'help') console.log(USAGE)
  else await run(settings)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
