import type { Flow } from './flow.ts'

const shown = process.env['BWE_FIGURES'] !== undefined

/** Prints what was measured, where `BWE_FIGURES` is set: seconds, Mbit/s, ms. */
export function figures(name: string, flows: readonly Flow[], from: number, until: number): void {
  if (!shown) return
  const cells = flows.map(({ record }) => {
    const throughput = (record.throughput(from, until) / 1e6).toFixed(2)
    const estimate = (record.estimate(from, until) / 1e6).toFixed(2)
    const delays = [0.5, 0.95, 1].map((part) => record.delay(part, from, until).toFixed(0)).join('/')
    return `${throughput} (${estimate}) ${delays}`
  })
  console.log(`FIGURE | ${name} | ${from / 1000}–${until / 1000} | ${cells.join(' | ')} |`)
}

/** 1: all have the same; 1 / their number: one has all (Jain). */
export function fairness(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0)
  const squares = shares.reduce((total, share) => total + share * share, 0)
  return (sum * sum) / (shares.length * squares)
}
