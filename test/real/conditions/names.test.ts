// Name servers that hang.
import type { LookupFunction } from 'node:net'
import { expect, test } from 'vitest'
import { startFront } from '../../cluster/front.ts'
import { form } from '../harness/form.ts'
import { relistenMember } from '../harness/relisten-member.ts'
import { MESSAGE_SPACING_MS, report } from '../harness/report.ts'
import { startRun } from '../harness/run.ts'
import { sharedCluster } from '../harness/shared-cluster.ts'

const HANG_MS = form(6000, 60_000)

const cluster = sharedCluster({ bindFixed: true })

test('a name server hangs for one of three names, then for all: what is connected stays, and a move by address goes on', async () => {
  await using front = await startFront(cluster())
  front.names(true)
  let hangs: readonly number[] = []
  const lookup = ((host: string, options: { all?: boolean }, done: (...answer: unknown[]) => void) => {
    const nodeId = cluster().nodeIds.find((id) => host === `node${id}.lan`)
    if (nodeId === undefined) return done(Object.assign(new Error(`${host} is unknown`), { code: 'ENOTFOUND' }))
    if (hangs.includes(nodeId)) return
    const address = front.address(nodeId)
    return options.all ? done(null, [{ address, family: 4 }]) : done(null, address, 4)
  }) as LookupFunction
  await using run = await startRun({
    scenario: 'a name server hangs for one name, then for all, then a move by address',
    cluster: cluster(),
    client: relistenMember,
    brokers: () => front.endpoints(),
    options: { lookup },
  })
  const told = (type: string) => run.members.reduce((sum, member) => sum + (member.told.get(type) ?? 0), 0)
  const silences: number[] = []
  const steadyMs = run.silence({ from: run.steadyFrom, to: Date.now() })
  for (const names of [[1], cluster().nodeIds]) {
    hangs = names
    const from = Date.now()
    await run.pass(HANG_MS)
    silences.push(run.silence({ from, to: Date.now() }))
  }
  const whileHanging = [
    { name: 'redials while names hang', value: told('link.reconnected'), most: 0 },
    { name: 'unreachable while names hang', value: told('cluster.unreachable'), most: 0 },
    { name: 'stalls while names hang', value: told('partition.stalled'), most: 0 },
  ]
  await run.move(() => {
    front.names(false)
    return front.move(2)
  })
  await run.pass(1000)
  const outcome = await run.finish()
  const figures = [
    ...whileHanging,
    {
      name: 'ms of silence above the steady state while names hang',
      value: Math.max(...silences) - steadyMs,
      // a machine that was busy in this very run is late with messages too
      most: 150 + Math.max(MESSAGE_SPACING_MS, outcome.timerLateMs),
    },
    { name: 'sessions', value: told('session.opened'), most: run.members.length },
  ]
  expect(report(outcome, { rebalances: 0, worstMs: 1000, figures })).toEqual([])
})
