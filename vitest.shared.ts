import type { ViteUserConfig } from 'vitest/config'

export const conditions: string[] = ['@str0m/source', 'module', 'node', 'import', 'default']

/**
 * What every package's `vitest.config.ts` starts from: tests read the source of the
 * workspace's packages through the `@str0m/source` condition, so nothing is built first. They drive machines, so that no processor is kept free for a clock.
 */
export function project(name: string, test: ViteUserConfig['test'] = {}): ViteUserConfig {
  return {
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    test: { name, include: ['test/**/*.test.ts'], testTimeout: 30_000, maxWorkers: '100%', ...test },
  }
}

/**
 * The same for an app that browsers are tested with. A browser encodes and decodes in real time: these come after all others, one file after the
 * other, so that nothing else holds up a picture. On a busy machine it starts slowly.
 */
export function browserProject(name: string, test: ViteUserConfig['test'] = {}): ViteUserConfig {
  return project(name, { sequence: { groupOrder: 1 }, maxWorkers: 1, hookTimeout: 300_000, ...test })
}
