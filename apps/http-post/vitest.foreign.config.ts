import { project } from '../../vitest.shared.ts'

/** Programs of other hands play and count frames, and mostly wait for the time that a film takes: two files at once, after the browsers. */
export default project('http-post-foreign', {
  include: ['test/foreign-*.test.ts'],
  sequence: { groupOrder: 2 },
  maxWorkers: 2,
  hookTimeout: 300_000,
})
