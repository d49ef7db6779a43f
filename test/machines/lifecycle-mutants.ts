// Mutants of the lifecycle: the mistakes that it invites.
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import type { Machine } from './lifecycle-stories.ts'
import { type Mutant, mutantsOf } from './mutants.ts'

/** Every mistake of every kind, at every place where it can be made. */
export const mutants = (): Generator<Mutant<Machine>> =>
  mutantsOf(lifecycleMachine, {
    otherGuards,
    otherActions,
    otherActors,
    wrongEnd: 'retrying',
    wrongGuards,
    wrongActions,
  })

/** The guard that is most easily taken for this one. */
const otherGuards = {
  isCurrent: 'isCurrentInPlace',
  isCurrentInPlace: 'isCurrent',
  isInPlace: 'isCurrentInPlace',
  isTerminal: 'isCurrent',
  hasFailed: 'isCurrent',
}

const otherActions = {
  beginEpoch: 'beginReplacement',
  beginReplacement: 'beginEpoch',
  planInPlace: 'planReplacement',
  planReplacement: 'planInPlace',
  noteFailure: 'forgetFailure',
  forgetFailure: 'noteFailure',
}

type Counted = { context: { epoch: number; attempt: number } }

const wrongActions = {
  'beginEpoch skips an epoch': { epoch: ({ context }: Counted) => context.epoch + 2 },
  'beginEpoch keeps the epoch': {},
  'beginReplacement keeps the epoch': {},
  'beginReplacement begins an epoch in place as well': { epoch: ({ context }: Counted) => context.epoch + 1 },
  'planInPlace forgets why': { plan: { kind: 'in-place', reason: 'moved' } },
  'planReplacement forgets why': { plan: { kind: 'replacement', reason: 'retry' } },
  'countAttempt counts twice': { attempt: ({ context }: Counted) => context.attempt + 2 },
  'countAttempt begins anew': { attempt: 1 },
  'recover keeps the plan': { attempt: 0, failure: null },
  'recover keeps the attempts': { plan: null, failure: null },
  'recover keeps the failure': { plan: null, attempt: 0 },
  'noteFailure keeps nothing': {},
  'noteBug says unreachable': { failure: { kind: 'unreachable', message: 'A port of the lifecycle threw an error' } },
  'forgetFailure forgets nothing': {},
}

/** The port that is most easily taken for this one. */
const otherActors = { open: 'drain', drain: 'rebuild', rebuild: 'drain', backOff: 'drain', shutDown: 'drain' }

const isRecent = ({ context, event }: { context: { epoch: number }; event: object }): boolean =>
  !('epoch' in event) || Number(event.epoch) >= context.epoch - 1

const wrongGuards = { 'isCurrent lets the session before through': isRecent }
