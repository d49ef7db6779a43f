// The tests of the lifecycle against mistakes in it: each mutant has to be caught by its structure, its table or its paths.
import { mutants } from './lifecycle-mutants.ts'
import { budgets, drive, graphOf } from './lifecycle-stage.ts'
import { after, type Machine, outcome, stories, told } from './lifecycle-stories.ts'
import { type EventClass, type Situation, table } from './lifecycle-table.ts'
import { everyMutantIsCaught } from './mutations.ts'

everyMutantIsCaught<Machine>('lifecycle', {
  mutants,
  table,
  told: (situation, machine) => told(stories[situation as Situation], { machine }),
  outcome: (before, event, machine) => outcome(before, after(before, event as EventClass, machine)),
  /** The paths of the lifecycle as it is. */
  courses: budgets.map((retryBudget) => ({
    paths: graphOf(retryBudget).paths,
    drive: (places, machine) => drive(places, { retryBudget, machine }),
  })),
})
