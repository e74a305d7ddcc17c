import { runChild } from './child.ts'
import type { FlowResult } from './flow-process.ts'
import { VARIANTS } from './flow-variants.ts'
import type { Section } from './report.ts'
import type { Settings } from './settings.ts'
import { median, pairedRatio } from './statistics.ts'

const TIMEOUT = 120_000

/** Packets through real sockets, bare and protected. */
export async function measureSockets({ quick }: Settings): Promise<Section> {
  const args = quick ? ['3', '60'] : ['20', '150']
  const { sent, received, lost } = await runChild<FlowResult>('./flow-process.js', args, {
    timeout: TIMEOUT,
  })
  return {
    title: 'Packets of 1200 bytes over node:dgram, one process to another',
    notes: [
      'CPU µs a packet of the whole process, 32 packets each ms; ratios to bare datagrams are medians over pairs of rounds.',
      `${(100 * lost).toFixed(2)} % of the packets did not arrive.`,
    ],
    columns: ['packets', 'to send µs', 'ratio', 'to receive µs', 'ratio'],
    rows: VARIANTS.map((variant) => [
      variant === 'plain' ? 'bare datagrams' : `@str0m/srtp ${variant}`,
      median(sent[variant]),
      pairedRatio(sent[variant], sent.plain),
      median(received[variant]),
      pairedRatio(received[variant], received.plain),
    ]),
    goals: [],
  }
}
