import { browserProject } from '../../vitest.shared.ts'

export default browserProject('http-post', { exclude: ['test/foreign-*.test.ts'] })
