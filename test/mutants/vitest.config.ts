// The tests that mutants have to get past: those of the actors and the machines, without the simulation and the checks of the whole tree.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/actors/**/*.test.ts', 'test/machines/**/*.test.ts'],
    testTimeout: 10_000,
  },
})
