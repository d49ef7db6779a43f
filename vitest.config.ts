// `fast` needs only Node; `real` starts Apache Kafka and therefore runs one file at a time, as `conditions` does, which takes longer; `torture`
// does so with a cluster of its own, because it breaks it, and has no figures that a busy machine spoils.
import { defineConfig } from 'vitest/config'
import { form } from './test/real/harness/form.ts'

const torture = 'test/real/torture.test.ts'
const conditions = 'test/real/conditions/**'

const real = {
  // One file at a time, and all in one process, so that they can share a cluster.
  fileParallelism: false,
  isolate: false,
  // Of the tests that may run beside each other, as many as there are cores on a small machine.
  maxConcurrency: 2,
  testTimeout: form(300_000, 3_600_000),
  hookTimeout: 600_000,
}

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
          exclude: [torture, conditions],
          ...real,
        },
      },
      {
        test: {
          name: 'conditions',
          include: [`${conditions}/*.test.ts`],
          ...real,
        },
      },
      {
        test: {
          name: 'torture',
          include: [torture],
          hookTimeout: 600_000,
        },
      },
    ],
  },
})
