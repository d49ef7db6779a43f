// The tests of the following against mistakes in it: each mutant has to be caught by its structure, its table or its paths.
import { followingMachine } from '../../machines/following.ts'
import { drive, graphOf } from './following-stage.ts'
import { after, outcome, stories, told } from './following-stories.ts'
import { type EventClass, type Situation, table } from './following-table.ts'
import { everyMutantIsCaught } from './mutations.ts'

/** The mistakes that it invites. */
const mistakes = {
  otherGuards: { isBehind: 'isNotBehind' },
  otherActions: {
    noteFailure: 'noteBug',
    recover: 'noteCaughtUp',
    noteMove: 'noteCaughtUp',
    noteCaughtUp: 'noteMove',
    forget: 'recover',
    noteBug: 'forget',
  },
  otherActors: { catchUp: 'close', close: 'catchUp' },
  wrongEnd: 'resting',
  wrongOutput: { kind: 'unreachable', message: 'another' },
  wrongGuards: {},
  wrongActions: {
    'noteFailure keeps nothing': {},
    'recover keeps the failure': {},
    'recover forgets the move': { failure: null, behind: false },
    'noteMove notes nothing': {},
    'noteCaughtUp keeps the move': {},
    'forget keeps the failure': { behind: false },
    'forget keeps the move': { failure: null },
    'noteBug says unreachable': {
      failure: { kind: 'unreachable', message: 'An actor of the following threw an error' },
    },
  },
}

everyMutantIsCaught('following', followingMachine, {
  mistakes,
  table,
  told: (situation, machine) => told(stories[situation as Situation], { machine }),
  outcome: (before, event, machine) => outcome(before, after(before, event as EventClass, machine)),
  courses: [{ graph: graphOf() }],
  drive,
})
