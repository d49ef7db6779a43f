/**
 * What an observer of XState's inspection is given, without XState's own declarations: these do not stand `exactOptionalPropertyTypes`, and whoever
 * imports ours may have them checked.
 */

/** The option `inspect`: a function, or an observer like the one of `@statelyai/inspect`. A method each, so that it may ask for more than is told here. */
export type Inspect = Observing['next'] | Partial<Observing>

interface Observing {
  next(event: Inspected): void
}

/** An event of the inspection, as far as all of them are alike; `InspectionEvent` of xstate has the rest. */
export interface Inspected {
  readonly type: `@xstate.${string}`
  /** The session id of the root actor. */
  readonly rootId: string
}
