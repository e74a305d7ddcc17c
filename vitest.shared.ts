import type { ViteUserConfig } from 'vitest/config'

export const conditions: string[] = ['@str0m/source', 'module', 'node', 'import', 'default']

/**
 * What every package's `vitest.config.ts` starts from: tests read the source of the
 * workspace's packages through the `@str0m/source` condition, so nothing is built first.
 */
export function project(name: string, test: ViteUserConfig['test'] = {}): ViteUserConfig {
  return {
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    test: { name, include: ['test/**/*.test.ts'], testTimeout: 30_000, ...test },
  }
}
