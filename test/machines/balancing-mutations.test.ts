// The tests of the balancing against mistakes in it: each mutant has to be caught by its structure, its table or its paths.
import { balancingMachine } from '../../machines/balancer/balancing.ts'
import { courses, drive } from './balancing-stage.ts'
import { after, arrived, outcome } from './balancing-stories.ts'
import { type EventClass, type Situation, table } from './balancing-table.ts'
import { everyMutantIsCaught } from './mutations.ts'

/** The mistakes that it invites. */
const mistakes = {
  otherGuards: { mayExecute: 'isPaused', isPaused: 'isBlind', isBlind: 'isPaused' },
  otherActions: {
    noteBlindness: 'noteSight',
    noteSight: 'noteResumption',
    notePause: 'noteResumption',
    noteResumption: 'noteSight',
    countRound: 'noteSight',
    noteFailure: 'noteBug',
    noteBug: 'notePause',
  },
  otherActors: {
    observe: 'coolDown',
    decide: 'propose',
    propose: 'execute',
    execute: 'settle',
    settle: 'coolDown',
    coolDown: 'observe',
    shutDown: 'settle',
  },
  wrongEnd: 'cooling',
  wrongOutput: { kind: 'unreachable', message: 'another' },
  wrongGuards: {
    'mayExecute is asked of a dry run': ({ context }: { context: { mode: string } }) => context.mode === 'dry-run',
  },
  wrongActions: {
    'noteBlindness keeps nothing': {},
    'noteSight stays blind': {},
    'notePause notes nothing': {},
    'noteResumption stays paused': {},
    'countRound counts nothing': {},
    'countRound begins with the first again': { round: 1 },
    'noteFailure keeps nothing': {},
    'noteBug says unreachable': {
      failure: { kind: 'unreachable', message: 'An actor of the balancing threw an error' },
    },
  },
}

everyMutantIsCaught('balancing', balancingMachine, {
  mistakes,
  table,
  told: (situation, machine) => arrived(situation as Situation, machine),
  outcome: (before, event, machine) => outcome(before, after(before, event as EventClass, machine)),
  courses,
  drive,
})
