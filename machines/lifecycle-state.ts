/** A state of the lifecycle: its name at the top level, and what the chart says of it. */

import type { Plan } from './fact.ts'
import { lifecycleMachine } from './lifecycle.ts'

/** The states at the top level. Written out, as the type of the machine would bring the declarations of XState to whoever reads a status. */
export type LifecycleState =
  | 'idle'
  | 'connecting'
  | 'consuming'
  | 'draining'
  | 'rebuilding'
  | 'retrying'
  | 'stopping'
  | 'stopped'
  | 'failed'

/** Whether this is the name of a state of the lifecycle, at the top level. */
export const isLifecycleState = (name: string): name is LifecycleState => Object.hasOwn(lifecycleMachine.states, name)

/** What the chart says of a state: the description of the innermost one, and the tags of all that it is in. */
export function meaningOf(
  state: LifecycleState,
  plan: Plan | null,
): { description: string; tags: ReadonlySet<string> } {
  const outer = lifecycleMachine.states[state]
  const inner = plan === null ? undefined : outer?.states[plan.kind]
  const { description = '' } = inner ?? outer ?? {}
  return { description, tags: new Set([...(outer?.tags ?? []), ...(inner?.tags ?? [])]) }
}
