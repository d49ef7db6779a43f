// A fault as a plan names it.

/** One fault of a plan. It does the same in the same world, whichever other faults there are. */
export interface Fault {
  readonly kind: string
  readonly atMs: number
  readonly lastsMs: number
  /** The seed of its own choices. */
  readonly dice: number
}
