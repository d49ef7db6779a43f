// The tests that mutants have to get past: a module's own and its neighbours'. Wider ones, as of a whole cluster, would take a mutant minutes,
// and a place that only they reach is not tested well.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: [
      'test/actors/*/{progress,dispatcher*,partition-queue,prefetch*,assignment,commits,positions,topics,handler*,batch-handler*}.test.ts',
      'test/actors/*/{member*,fetch-record,watchdog*,coordinator*,link*,failure-detector,log-offsets}.test.ts',
      'test/actors/clients/*.test.ts',
      'test/machines/{acceptance*,listeners,membership,verdict}.test.ts',
    ],
    testTimeout: 10_000,
  },
})
