import { browserProject } from '../../vitest.shared.ts'

// by what it takes, not by what it leaves out: else `--exclude` would not count
export default browserProject('http-post', { include: ['test/!(foreign-)*.test.ts'] })
