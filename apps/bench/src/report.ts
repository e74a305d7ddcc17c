/** What a measured value is to be, to be good enough. */
export interface Goal {
  readonly text: string
  readonly measured: number
  readonly bound: 'under' | 'at most' | 'at least'
  readonly limit: number
  /** Such as `ms`; empty for a ratio or a count. */
  readonly unit: string
}

export type Cell = string | number | undefined

/** What one scenario found. */
export interface Section {
  readonly title: string
  /** How it was measured, a line each. */
  readonly notes: readonly string[]
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Cell[])[]
  readonly goals: readonly Goal[]
}

/** A value that could not be measured meets no goal. */
export function isMet({ measured, bound, limit }: Goal): boolean {
  switch (bound) {
    case 'under':
      return measured < limit
    case 'at most':
      return measured <= limit
    case 'at least':
      return measured >= limit
  }
}

export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  if (Number.isInteger(value) || size >= 1000) return value.toFixed(0)
  return value.toFixed(size >= 100 ? 1 : 2)
}

export function formatGoal(goal: Goal): string {
  const unit = goal.unit === '' ? '' : ` ${goal.unit}`
  const verdict = isMet(goal) ? 'met    ' : 'NOT MET'
  return `${verdict}  ${goal.text}: ${formatNumber(goal.measured)}${unit} (${goal.bound} ${goal.limit}${unit})`
}

/** A section as text: the table with its numbers to the right. */
export function formatSection(section: Section): string {
  const cells = section.rows.map((row) => row.map(formatCell))
  const widths = section.columns.map((column, i) =>
    Math.max(column.length, ...cells.map((row) => row[i]?.length ?? 0)),
  )
  const isText = section.columns.map((_, i) => section.rows.every((row) => typeof row[i] === 'string'))
  const line = (row: readonly string[]): string =>
    widths
      .map((width, i) => (isText[i] ? (row[i] ?? '').padEnd(width) : (row[i] ?? '').padStart(width)))
      .join('  ')
      .trimEnd()
  return [
    `## ${section.title}`,
    ...section.notes,
    '',
    line(section.columns),
    line(widths.map((width) => '-'.repeat(width))),
    ...cells.map(line),
    ...(section.goals.length > 0 ? ['', ...section.goals.map(formatGoal)] : []),
  ].join('\n')
}

function formatCell(cell: Cell): string {
  if (cell === undefined) return '–'
  return typeof cell === 'number' ? formatNumber(cell) : cell
}
