/** The stage: what the actions of a run act on, and what an action is. */
import type { Front } from '../cluster/front.ts'
import type { KafkaCluster } from '../cluster/kafka-cluster.ts'
import type { Crew } from './crew.ts'
import type { Draw } from './draw.ts'
import type { SmallDisk } from './small-disk.ts'
import type { Source } from './source.ts'

export interface Stage {
  readonly cluster: KafkaCluster
  readonly front: Front
  readonly crew: Crew
  readonly source: Source
  readonly draw: Draw
  /** Where the first member has its journal; undefined where no disk may be mounted. */
  readonly disk: SmallDisk | undefined
  /** Aborts when the run is interrupted. */
  readonly signal: AbortSignal
  /** Text that must never show up in a log or journal. */
  readonly canary: string
  /** Notes what happens, for the story of a violation. */
  tell(line: string): void
  /** Resolves after so many milliseconds; rejects when the run is interrupted. */
  wait(ms: number): Promise<void>
}

/** Something that is done to the cluster, to the members or to what is around them. */
export interface Action {
  readonly kind: string
  readonly isMove: boolean
  /** Once it is over, every partition has handled a new message within so many milliseconds. */
  readonly backWithinMs: number
  /** Resolves when it is over: what was stopped runs again, what was sick is well. */
  act(stage: Stage): Promise<void>
}

/** Endpoint of a front: the set, and which node's address in it (another's after a swap). */
export function placeOf(front: Front, nodeId: number): { readonly set: number; readonly host: number } {
  const [, , set, host] = front.address(nodeId).split('.').map(Number)
  return { set: set ?? 0, host: host ?? 0 }
}
