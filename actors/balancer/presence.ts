/** Which brokers are there during an execution, and whether what is missing holds new steps or ends it. */

import type { Topology } from '../../machines/balancer/model.ts'
import { lagging, type Sight } from '../../machines/balancer/step-place.ts'
import type { ExecutorSettings } from './execution-settings.ts'

export class Presence {
  private readonly settings: Pick<ExecutorSettings, 'lostMs' | 'holdMs'>
  /** Racks of the brokers at the beginning, and since when each of them is gone. */
  private readonly racks: ReadonlyMap<number, string | null>
  private readonly goneSince = new Map<number, number>()
  private heldSince: number | undefined

  constructor({ brokers }: Pick<Topology, 'brokers'>, settings: Pick<ExecutorSettings, 'lostMs' | 'holdMs'>) {
    this.settings = settings
    this.racks = new Map(brokers.map(({ id, rack }) => [id, rack]))
  }

  /** A broker is gone, or a replica on one that is there is not in sync: nothing new begins. */
  get isHeld(): boolean {
    return this.heldSince !== undefined
  }

  /** Takes in a reading; returns why the execution is over. */
  see(sight: Sight, now: number): 'broker-lost' | 'rack-lost' | 'under-replicated' | undefined {
    for (const id of this.racks.keys()) {
      if (sight.brokers.has(id)) this.goneSince.delete(id)
      else if (!this.goneSince.has(id)) this.goneSince.set(id, now)
    }
    const isHeld = this.goneSince.size > 0 || lagging(sight, new Set(this.racks.keys())).length > 0
    this.heldSince = isHeld ? (this.heldSince ?? now) : undefined
    const lost = [...this.racks.keys()].filter((id) => this.isLost(id, now))
    const left = [...this.racks].filter(([id]) => !lost.includes(id)).map(([, rack]) => rack)
    if (lost.some((id) => isRackOf(this.racks.get(id)) && !left.includes(this.racks.get(id) ?? null)))
      return 'rack-lost'
    if (lost.length > 0) return 'broker-lost'
    return this.heldSince !== undefined && now - this.heldSince >= this.settings.holdMs ? 'under-replicated' : undefined
  }

  isLost(id: number, now: number): boolean {
    const since = this.goneSince.get(id)
    return since !== undefined && now - since >= this.settings.lostMs
  }
}

const isRackOf = (rack: string | null | undefined): rack is string => typeof rack === 'string'
