// The tests of the lifecycle against mistakes in it: each mutant has to be caught by its structure, its table or its paths.
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import { budgets, drive, graphOf, inputOf } from './lifecycle-stage.ts'
import { after, everywhere, outcome, stories, told } from './lifecycle-stories.ts'
import { type EventClass, type Situation, table } from './lifecycle-table.ts'
import { everyMutantIsCaught } from './mutations.ts'

type Counted = { context: { epoch: number; attempt: number } }

/** The mistakes that it invites. */
const mistakes = {
  otherGuards: { isCurrent: 'hasFailed', isTerminal: 'hasFailed', hasFailed: 'isTerminal' },
  otherActions: {
    beginEpoch: 'countAttempt',
    planInPlace: 'planReplacement',
    planReplacement: 'planInPlace',
    noteFailure: 'noteStop',
    noteStop: 'noteBug',
    noteBug: 'noteStop',
  },
  otherActors: { open: 'drain', drain: 'rebuild', rebuild: 'drain', backOff: 'drain', shutDown: 'drain' },
  wrongEnd: 'retrying',
  wrongOutput: { failure: { kind: 'unreachable', message: 'another' } },
  wrongGuards: {
    'isCurrent lets the session before through': ({ context }: Counted, { epoch }: { epoch: number }) =>
      epoch >= context.epoch - 1,
  },
  wrongActions: {
    'beginEpoch skips an epoch': { epoch: ({ context }: Counted) => context.epoch + 2 },
    'beginEpoch keeps the epoch': {},
    'planInPlace forgets why': { plan: { kind: 'in-place', reason: 'moved' } },
    'planReplacement forgets why': { plan: { kind: 'replacement', reason: 'retry' } },
    'countAttempt counts twice': { attempt: ({ context }: Counted) => context.attempt + 2 },
    'countAttempt begins anew': { attempt: 1 },
    'recover keeps the plan': { attempt: 0, failure: null },
    'recover keeps the attempts': { plan: null, failure: null },
    'recover keeps the failure': { plan: null, attempt: 0 },
    'noteFailure keeps nothing': {},
    'noteBug says unreachable': {
      failure: { kind: 'unreachable', message: 'An actor of the lifecycle threw an error' },
    },
    'noteStop notes nothing': {},
    'noteStop forgets its failure': { failure: null },
    'noteMembers notes nobody': {},
    'noteMembers keeps who was evicted': { members: ['me', 'you'] },
  },
}

everyMutantIsCaught('lifecycle', lifecycleMachine, {
  mistakes,
  everywhere,
  table,
  told: (situation, machine) => told(stories[situation as Situation], { machine }),
  outcome: (before, event, machine) => outcome(before, after(before, event as EventClass, machine)),
  courses: budgets.map((retryBudget) => {
    const input = inputOf(retryBudget)
    return { input, graph: graphOf(input) }
  }),
  drive,
})
