// A service is killed at every recorded step of a start, a move, a replacement and a stop, and goes on by its journal.
import { expect, test } from 'vitest'
import { startFront } from '../cluster/front.ts'
import { evict } from './harness/eviction.ts'
import { startKillMatrix } from './harness/kill-matrix.ts'
import type { MatrixStep } from './harness/kill-table.ts'
import { sharedCluster } from './harness/shared-cluster.ts'

const cluster = sharedCluster({ bindFixed: true })

const after = 'partitions.lost'

const steps: Readonly<Record<MatrixStep['during'], readonly Omit<MatrixStep, 'during'>[]>> = {
  start: [
    { type: 'offset.reset' },
    { type: 'actor.started' },
    { type: 'start.requested' },
    { type: 'cluster.reached' },
    { type: 'cluster.moved' },
    { type: 'session.opened' },
    { type: 'member.evicted' },
    { type: 'member.named' },
    { type: 'partitions.assigned' },
    { type: 'session.joined' },
  ],
  move: [
    { type: 'cluster.moved' },
    { type: 'link.reconnected' },
    { type: 'link.reconnected', nth: 2 },
    { type: 'link.reconnected', nth: 3 },
    { type: 'drain.completed' },
    { type: 'rebuild.proven' },
  ],
  // neither heartbeats nor commits are answered: there is no proof, and nothing is committed before the session is replaced
  'unproven move': [{ type: 'rebuild.unproven' }, { type: 'offsets.salvaged' }],
  replacement: [
    { type: 'partitions.lost' },
    { type: 'member.lost' },
    { type: 'drain.completed', after },
    { type: 'session.fenced', after },
    { type: 'member.evicted', after },
    { type: 'session.opened', after },
    { type: 'member.named', after },
    { type: 'partitions.assigned', after },
    { type: 'session.joined', after },
    { type: 'rebuild.proven', after },
  ],
  stop: [
    { type: 'stop.requested' },
    { type: 'member.evicted' },
    { type: 'session.fenced' },
    { type: 'stop.completed' },
  ],
}

test.each([
  ['start', steps.start],
  ['move', steps.move],
  ['unproven move', steps['unproven move']],
  ['replacement', steps.replacement],
  ['stop', steps.stop],
] as const)('killed at each recorded step (%s), a service goes on by its journal', async (during, kills) => {
  await using front = await startFront(cluster())
  await using matrix = await startKillMatrix(cluster(), front)
  const violations: string[] = []
  for (const kill of kills) {
    violations.push(...(await matrix.step({ during, ...kill })))
    // the next step would only tell what this one has broken
    if (violations.length > 0) break
  }
  violations.push(...(await matrix.finish()))
  expect(violations).toEqual([])
})

test('offsets that an operator set while the service was down are obeyed', async () => {
  await using front = await startFront(cluster())
  await using matrix = await startKillMatrix(cluster(), front)
  const violations = await matrix.step(
    { during: 'move', type: 'rebuild.proven' },
    async ({ admin, groupId, topic, members, committed }) => {
      // a group with members takes no offsets from outside
      for (const memberId of members) await evict(cluster(), groupId, memberId)
      const wanted = new Map([...committed].map(([partition, offset]) => [partition, Math.max(0, offset - 5)]))
      wanted.set(0, (committed.get(0) ?? 0) + 20)
      const partitions = [...wanted].map(([partition, offset]) => ({ partition, offset: String(offset) }))
      await admin.setOffsets({ groupId, topic, partitions })
      return wanted
    },
  )
  violations.push(...(await matrix.finish()))
  expect(violations).toEqual([])
})
