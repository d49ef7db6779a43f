// The record: what the journal says is durable first, is a chain, and tells what really runs.

import { createHash } from 'node:crypto'
import { lifecycleMachine } from '../../../machines/lifecycle.ts'
import { membershipMachine } from '../../../machines/membership.ts'
import { foldOf, type ReplayStep } from '../../../machines/replay.ts'
import { replay } from '../../machines/replay.ts'
import type { Oracle } from './oracle.ts'

/** S7: no byte leaves before what was decided is durable; the journal's state is the running machine's; what was told is on the disk. */
export function writeAhead(): Oracle {
  const state = new Map<string, string>()
  const told = new Map<string, number>()
  return {
    id: 'S7',
    see(sighting) {
      if (sighting.type === 'wrote' && !sighting.isSynced) {
        return `${sighting.life} writes to ${sighting.place} while its journal has bytes that are not durable`
      }
      if (sighting.type === 'told') {
        if (sighting.to !== 'null') state.set(`${sighting.life} ${sighting.actor}`, sighting.to)
        const process = processOf(sighting.life)
        told.set(process, Math.max(sighting.seq, told.get(process) ?? 0))
      }
      if (sighting.type === 'live') {
        const { life, actor, value } = sighting
        const recorded = state.get(`${life} ${actor}`)
        // A join that goes out is no record: the answer to it is.
        const isJoining = actor === 'membership' && value === '"joining"' && mayJoin.has(recorded ?? '')
        if (recorded !== undefined && recorded !== value && !isJoining) {
          return `The ${actor} of ${life} is ${value}, but its journal says ${recorded}`
        }
      }
      if (sighting.type !== 'journal-read') return undefined
      const process = processOf(sighting.life)
      const newest = seqOf(sighting.lines.at(sighting.isTorn ? -2 : -1))
      if (sighting.isSpoilt) {
        told.set(process, 0)
        return undefined
      }
      const broken = sighting.isFinal ? unfoldable(sighting.lines) : undefined
      if (broken !== undefined) return broken
      const expected = told.get(process) ?? 0
      return newest < expected ? `record ${expected} was told as durable, but the disk ends with ${newest}` : undefined
    },
  }
}

/** S8: the journal is a chain: numbers without a gap, each record with the checksum of the one before; only the last line may be torn. */
export function journalIsChain(): Oracle {
  return {
    id: 'S8',
    see(sighting) {
      if (sighting.type !== 'journal-read' || sighting.isSpoilt) return undefined
      const lines = sighting.isTorn ? sighting.lines.slice(0, -1) : sighting.lines
      let before: { seq: number; checksum: string } | undefined
      for (const line of lines) {
        let record: Record<string, unknown>
        try {
          record = JSON.parse(line)
        } catch {
          return `a line of the journal is no JSON: ${line.slice(0, 80)}`
        }
        const { seq, previous, checksum, ...rest } = record as { seq: number; previous: string; checksum: string }
        const sum = createHash('sha256')
          .update(sorted({ seq, previous, ...rest }))
          .digest('hex')
          .slice(0, 16)
        if (sum !== checksum) return `record ${seq} does not fit its checksum`
        if (before && (seq !== before.seq + 1 || previous !== before.checksum)) {
          return `record ${seq} does not continue record ${before.seq}`
        }
        before = { seq, checksum }
      }
      return undefined
    },
  }
}

/** The recorded states of a membership from which a join goes out. */
const mayJoin: ReadonlySet<string> = new Set(['"unjoined"', '"rejoining"'])

/** `a3` and `a4` are lives of process `a`. */
const processOf = (life: string): string => life.replace(/\d+$/, '')

/** Folds the journal of all lives as its format says, and says where that leads elsewhere than was recorded. */
function unfoldable(lines: readonly string[]): string | undefined {
  if (lines.length === 0) return undefined
  try {
    const steps = lines.map((line): ReplayStep => JSON.parse(line))
    replay(lifecycleMachine, steps)
    const membership = foldOf(membershipMachine, 'membership')
    for (const step of steps) membership.take(step)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

const seqOf = (line: string | undefined): number => {
  try {
    return Number((JSON.parse(line ?? '') as { seq: number }).seq)
  } catch {
    return 0
  }
}

function sorted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sorted).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))
  return `{${entries.map(([name, each]) => `${JSON.stringify(name)}:${sorted(each)}`).join(',')}}`
}
