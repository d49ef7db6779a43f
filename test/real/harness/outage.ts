/** A scenario in which one broker is away for a while: what the process dials meanwhile, and that the others' partitions do not feel it. */
import { type Front, type FrontOptions, startFront } from '../../cluster/front.ts'
import type { KafkaCluster } from '../../cluster/kafka-cluster.ts'
import { countDials } from './dial-count.ts'
import { form } from './form.ts'
import type { MemberTask } from './member.ts'
import { type RelistenMember, relistenMember } from './relisten-member.ts'
import { type Figure, MESSAGE_SPACING_MS, report } from './report.ts'
import { type Run, startRun } from './run.ts'
import { logSilence } from './silence.ts'

export interface Outage {
  readonly cluster: KafkaCluster
  readonly scenario: string
  readonly members?: number
  readonly front?: FrontOptions
  readonly kafka?: NonNullable<MemberTask['options']['kafka']>
  /** Takes the node away. */
  begin(front: Front, nodeId: number): Promise<unknown>
  /** Brings it back. */
  end(front: Front, nodeId: number): Promise<unknown>
  /** Further figures, of a stretch of milliseconds since the epoch. */
  figures?(front: Front, nodeId: number, stretch: { from: number; to: number }): readonly Figure[]
}

export const OUTAGE_MS = form(30_000, 300_000)

/** Silences of the others may be so much longer than in the steady state. */
const ABOVE_STEADY_MS = 150

/** Returns a sentence for each bound that is broken. */
export async function outage(of: Outage): Promise<string[]> {
  const { cluster, scenario, members = 3, kafka } = of
  await using front = await startFront(cluster, of.front)
  const dials = countDials()
  await using run: Run<RelistenMember> = await startRun({
    ...{ scenario, cluster, client: relistenMember, members },
    brokers: () => front.endpoints(),
    options: { allowEndpoint: dials.allowEndpoint, ...(kafka && { kafka }) },
  })
  const coordinator = await cluster.coordinatorOf(run.groupId)
  const nodeId = cluster.nodeIds.find((id) => id !== coordinator) as number
  const leaders = await cluster.leaders(run.topic)
  const others = run.workload.partitions.filter((partition) => leaders.get(partition) !== nodeId)
  const led = run.workload.partitions.filter((partition) => !others.includes(partition))
  const endpoint = front.endpoint(nodeId)
  const steadyMs = run.silence({ from: run.steadyFrom, to: Date.now() }, others)
  const stretch = { from: Date.now(), to: 0 }
  await run.move(
    async () => {
      await of.begin(front, nodeId)
      await run.pass(OUTAGE_MS, led)
      stretch.to = Date.now()
      await of.end(front, nodeId)
    },
    { windowMs: 500 },
  )
  const othersMs = run.silence(stretch, others)
  const seconds = (stretch.to - stretch.from) / 1000
  // one a second; in the short form as SPEC says six more, by which the wait has grown to more than a second
  const mostDials = seconds + form(6, 0)
  const sessions = Math.max(...run.members.map(({ told }) => told.get('session.opened') ?? 0))
  const facts = run.members.reduce((sum, { told }) => sum + [...told.values()].reduce((all, one) => all + one, 0), 0)
  const outcome = await run.finish()
  const floorMs = Math.max(steadyMs, logSilence(outcome.log, others, stretch).ms)
  // a machine that was busy in this very run is late with messages too
  const lateMs = Math.max(0, outcome.timerLateMs - MESSAGE_SPACING_MS)
  return report(outcome, {
    rebalances: outcome.coordinatorChanges,
    steadyMs: Number.POSITIVE_INFINITY,
    figures: [
      { name: 'dials', value: dials.within(stretch), most: mostDials },
      { name: 'of them to it', value: dials.within(stretch, endpoint), most: mostDials },
      {
        name: 'ms of silence of the others above the steady state',
        value: othersMs - floorMs,
        most: ABOVE_STEADY_MS + lateMs,
      },
      { name: 'sessions of a member', value: sessions, most: 1 },
      { name: 'facts of a member per minute', value: (60 * facts) / seconds / members, most: 120 },
      ...(of.figures?.(front, nodeId, stretch) ?? []),
    ],
  })
}
