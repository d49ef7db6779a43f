/** A consumer or balancer is handed over to whoever watches it: the inspector of its option, and the one that the environment asks for. */

import type { Inspect, Watched, WatchedBalancer } from '../views/inspection.ts'
import { ofEnvironment } from './environment.ts'

/** Called once for each of them. What an observer throws is its own matter. */
export function handOver(inspect: Inspect | undefined, watched: Watched | WatchedBalancer): void {
  ofEnvironment()?.watch(watched)
  try {
    if (typeof inspect === 'object') inspect.watch?.(watched)
  } catch {
    // A view that breaks must not break what it looks at.
  }
}
