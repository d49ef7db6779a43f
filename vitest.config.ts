// `fast` and `fast-shared` need only Node and are one tier, `--project 'fast*'`; `browser` starts a Chromium, which would keep the figures of others waiting; `real` starts Apache Kafka and therefore runs one file at
// a time, as `conditions` does, which takes longer; `torture` does so with a cluster of its own, because it breaks it, and has no figures that a
// busy machine spoils.
import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { form } from './test/real/harness/form.ts'

/** These are at work in memory and in files only: one may follow another in the same process. The others leave sockets, timers or a clock behind. */
const shared = [
  'test/{arrows,documents}.test.ts',
  'test/{bench,kafkajs,machines,monitoring,mutants,specification,verification}/*.test.ts',
  'test/actors/{delivery,protocol,security,topics}/*.test.ts',
  'test/actors/session/watchdog*.test.ts',
  'test/src/{journal,options,views}/*.test.ts',
  'test/src/{command-line,error,inbox}.test.ts',
]

const fast = {
  // Tests wait more than they work. By default one core is left to Vitest itself: that is one worker on a small machine.
  maxWorkers: availableParallelism() + 1,
  testTimeout: 10_000,
}

const browser = 'test/page/*.test.ts'
const torture = 'test/real/torture.test.ts'
const conditions = 'test/real/conditions/**'

const real = {
  // Vitest wants projects with other numbers of workers in groups of their own.
  sequence: { groupOrder: 1 },
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
          exclude: ['test/real/**', 'test/fixtures/**', browser, ...shared],
          ...fast,
        },
      },
      {
        test: {
          name: 'fast-shared',
          include: shared,
          // To start a process takes longer than most of these files.
          isolate: false,
          ...fast,
        },
      },
      {
        test: {
          name: 'browser',
          include: [browser],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'fixtures',
          include: ['test/fixtures/*.test.ts'],
          // Compilers, bundlers and other tests' runners: as many as there are cores on a small machine.
          maxConcurrency: 2,
          testTimeout: 120_000,
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
          sequence: { groupOrder: 2 },
          hookTimeout: 600_000,
        },
      },
    ],
  },
})
