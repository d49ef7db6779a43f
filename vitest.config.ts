// Two projects: `fast` needs only Node, `real` starts Apache Kafka and therefore runs one file at a time.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    passWithNoTests: false,
    allowOnly: false,
    teardownTimeout: 60_000,
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/real/**'],
          testTimeout: 10_000,
        },
      },
      {
        test: {
          name: 'real',
          include: ['test/real/**/*.test.ts'],
          // One file at a time, and all in one process, so that they can share a cluster.
          fileParallelism: false,
          isolate: false,
          // Of the tests that may run beside each other, as many as there are cores on a small machine.
          maxConcurrency: 2,
          testTimeout: 300_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
})
