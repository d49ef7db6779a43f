/** A scenario over a distance: a group joins, rests and is moved, with the options' defaults. */
import type { FrontOptions } from '../../cluster/front.ts'
import { startFront } from '../../cluster/front.ts'
import type { KafkaCluster } from '../../cluster/kafka-cluster.ts'
import { setAfter } from './address-sets.ts'
import { countDials } from './dial-count.ts'
import { form } from './form.ts'
import type { MemberTask } from './member.ts'
import { relistenMember } from './relisten-member.ts'
import { report } from './report.ts'
import { startRun } from './run.ts'

export interface Distant {
  readonly cluster: KafkaCluster
  /** `plain`, or with the login and TLS of the other options. */
  readonly name: string
  readonly roundTripMs: number
  readonly tls?: FrontOptions['tls']
  readonly kafka?: NonNullable<MemberTask['options']['kafka']>
  /** The silence at a move may be so many round trips and 300 ms more. */
  readonly trips: number
}

/** Milliseconds there and back. Three fronts stand before a cluster at most: the short form leaves one to what runs beside it. */
export const ROUND_TRIPS_MS = form([50, 500], [50, 200, 500])

const REST_MS = form(8_000, 60_000)
const MOVES = form(2, 5)

/** Returns a sentence for each bound that is broken, and one when it could not go on: others run beside it. */
export async function overDistance(distant: Distant): Promise<string[]> {
  const scenario = `round trips of ${distant.roundTripMs} ms, ${distant.name}`
  return travel(scenario, distant).catch((error: unknown) => [`${scenario}: ${error}`])
}

async function travel(scenario: string, { cluster, roundTripMs, tls, kafka, trips }: Distant): Promise<string[]> {
  await using front = await startFront(cluster, { tls })
  front.distance({ roundTripMs, jitterMs: roundTripMs / 20 })
  const dials = countDials()
  // the default, and what connecting would take: here the kernel accepts at once, and the first step is silent for that long too
  const dialTimeoutMs = (tls ? 2000 : 1000) + roundTripMs
  await using run = await startRun({
    ...{ scenario, cluster, client: relistenMember },
    brokers: () => front.endpoints(),
    options: { allowEndpoint: dials.allowEndpoint, dialTimeoutMs, ...(kafka && { kafka }) },
    name: `far-${roundTripMs}`,
  })
  const rest = { from: Date.now(), to: 0 }
  await run.pass(REST_MS)
  rest.to = Date.now()
  const dialled = dials.within(rest)
  for (let move = 0; move < MOVES; move += 1) {
    // the next one comes when this one is over, however far the brokers are
    const windowMs = 2000 + trips * roundTripMs
    await run.move(() => front.move(setAfter(front), { close: move % 2 === 0 ? 'fin' : 'rst' }), { windowMs })
    await run.pass(500)
  }
  const figures = [
    { name: 'dials at rest', value: dialled, most: 0 },
    {
      name: 'sessions of a member',
      value: Math.max(...run.members.map(({ told }) => told.get('session.opened') ?? 0)),
      most: 1,
    },
  ]
  const outcome = await run.finish()
  // a fetch that brings nothing takes a round trip more before the next one can bring something
  const steadyMs = 1000 + 2 * roundTripMs
  return report(outcome, { rebalances: 0, worstMs: trips * roundTripMs + 300, steadyMs, figures })
}
