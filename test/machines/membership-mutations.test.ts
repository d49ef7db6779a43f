// The tests of the membership against mistakes in it: each mutant has to be caught by its structure, its table or its paths.
import { membershipMachine } from '../../machines/membership.ts'
import { drive, graphOf } from './membership-stage.ts'
import { after, outcome, stories, told } from './membership-stories.ts'
import { type EventClass, type Situation, table } from './membership-table.ts'
import { everyMutantIsCaught } from './mutations.ts'

type Joined = { event: { generation: number } }

/** The mistakes that it invites. */
const mistakes = {
  otherGuards: { isOfThisGeneration: 'doesJoinWait', doesJoinWait: 'isOfThisGeneration' },
  otherActions: {
    beginGeneration: 'letJoinWait',
    letJoinWait: 'stopHeartbeats',
    noteFailure: 'noteBug',
    startHeartbeats: 'stopHeartbeats',
    stopHeartbeats: 'startHeartbeats',
  },
  otherActors: { settle: 'rejoin', rejoin: 'settle' },
  wrongEnd: 'lost',
  wrongOutput: { kind: 'unreachable', message: 'another' },
  wrongGuards: {
    'isOfThisGeneration lets the one before through': (
      { context }: { context: { generation: number } },
      { generation }: { generation: number },
    ) => generation >= context.generation - 1,
  },
  wrongActions: {
    'beginGeneration keeps the generation': { joinWaits: false },
    'beginGeneration lets the next join wait': { generation: ({ event }: Joined) => event.generation },
    'letJoinWait forgets that a join waits': {},
    'noteFailure keeps nothing': {},
    'noteBug says unreachable': {
      failure: { kind: 'unreachable', message: 'An actor of the membership threw an error' },
    },
    'startHeartbeats starts none': {},
    'stopHeartbeats stops none': {},
  },
}

everyMutantIsCaught('membership', membershipMachine, {
  mistakes,
  table,
  told: (situation, machine) => told(stories[situation as Situation], { machine }),
  outcome: (before, event, machine) => outcome(before, after(before, event as EventClass, machine)),
  courses: [{ graph: graphOf() }],
  drive,
})
