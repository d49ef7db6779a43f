/** What happens to brokers: killed, paused, really restarted. */
import { freshSet } from './moves.ts'
import { type Action, placeOf, type Stage } from './stage.ts'

const BACK_WITHIN_MS = 20_000
/** A broker on a busy machine may take longer to be in sync again than the cluster's own wait. */
const READY_ATTEMPTS = 4

const fault = (kind: string, act: Action['act']): Action => ({ kind, isMove: false, backWithinMs: BACK_WITHIN_MS, act })

export const brokerFaults: readonly Action[] = [
  fault('broker killed', async (stage) => {
    const { draw, wait } = stage
    const nodeId = draw.one(stage.cluster.nodeIds)
    await restart(stage, [nodeId], 'SIGKILL', 'here', () => wait(draw.whole(0, 4000)))
  }),
  fault('broker killed as others move', async (stage) => {
    const { front, cluster, draw, wait } = stage
    const nodeId = draw.one(cluster.nodeIds)
    const nodes = cluster.nodeIds.filter((one) => one !== nodeId)
    await restart(stage, [nodeId], 'SIGKILL', 'elsewhere', async () => {
      await wait(draw.whole(0, 3000))
      await front.move(freshSet(stage), { nodes, close: draw.one(['fin', 'rst'] as const) })
    })
  }),
  fault('broker paused', async (stage) => {
    const { cluster, draw, wait, tell } = stage
    const nodeId = draw.one(cluster.nodeIds)
    const forMs = draw.whole(5000, 20_000)
    tell(`broker ${nodeId} is paused for ${forMs} ms`)
    cluster.signalBroker(nodeId, 'SIGSTOP')
    try {
      await wait(forMs)
    } finally {
      cluster.signalBroker(nodeId, 'SIGCONT')
    }
    await untilReady(stage)
  }),
  fault('broker restarted elsewhere', async (stage) => {
    await restart(stage, [stage.draw.one(stage.cluster.nodeIds)], 'SIGTERM', 'elsewhere')
  }),
  fault('all brokers restarted elsewhere', async (stage) => {
    await restart(stage, stage.cluster.nodeIds, 'SIGTERM', 'elsewhere')
  }),
]

/** Ends brokers and their addresses, and starts them again. */
async function restart(
  stage: Stage,
  nodes: readonly number[],
  signal: 'SIGTERM' | 'SIGKILL',
  where: 'here' | 'elsewhere',
  meanwhile: () => Promise<void> = async () => {},
): Promise<void> {
  const { front, cluster, tell } = stage
  tell(`broker ${nodes.join(', ')} gets ${signal}`)
  const stopped = Promise.all(nodes.map((nodeId) => cluster.stopBroker(nodeId, signal)))
  if (signal === 'SIGTERM') await stopped
  // from now on the addresses refuse, as those of a process that has ended do
  const left = nodes.map((nodeId) => placeOf(front, nodeId))
  await Promise.all(left.map(({ set, host }) => front.close(set, 'rst', [host])))
  try {
    await meanwhile()
  } finally {
    await stopped
    await Promise.all(nodes.map((nodeId) => cluster.startBroker(nodeId)))
    // an address that was swapped belongs to another node by its number
    const stay = where === 'here' && nodes.every((nodeId, index) => left[index]?.host === nodeId)
    if (stay) await Promise.all(nodes.map((nodeId, index) => front.open(left[index]?.set ?? 0, [nodeId])))
    else await front.move(freshSet(stage), { nodes })
    tell(`broker ${nodes.join(', ')} runs again at ${nodes.map((nodeId) => front.address(nodeId)).join(', ')}`)
  }
  await untilReady(stage)
}

async function untilReady({ cluster, signal }: Stage): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted()
    try {
      return await cluster.waitReady()
    } catch (error) {
      if (attempt === READY_ATTEMPTS) throw error
    }
  }
}
