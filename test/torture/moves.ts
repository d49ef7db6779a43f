/** The moves: every way in which brokers' addresses change while the brokers themselves go on. */
import type { Ending } from '../cluster/front-address.ts'
import { HIGHEST_SET } from '../cluster/loopback.ts'
import { type Action, placeOf, type Stage } from './stage.ts'

const BACK_WITHIN_MS = 5000

const move = (kind: string, act: Action['act']): Action => ({ kind, isMove: true, backWithinMs: BACK_WITHIN_MS, act })

/** A set in which no broker is now. */
export function freshSet({ front, cluster, draw }: Stage): number {
  const taken = cluster.nodeIds.map((nodeId) => placeOf(front, nodeId).set)
  const sets = Array.from({ length: HIGHEST_SET }, (_, index) => index + 1)
  return draw.one(sets.filter((set) => !taken.includes(set)))
}

export const moveAll = async (stage: Stage, close: Ending): Promise<void> => {
  await stage.front.move(freshSet(stage), { close })
}

export const moves: readonly Action[] = [
  move('all at once (FIN)', (stage) => moveAll(stage, 'fin')),
  move('all at once (RST)', (stage) => moveAll(stage, 'rst')),
  move('black hole', (stage) => moveAll(stage, 'silent')),
  move('overlap', async (stage) => {
    const { front, cluster, draw, wait } = stage
    const set = freshSet(stage)
    const left = cluster.nodeIds.map((nodeId) => placeOf(front, nodeId))
    await front.open(set)
    front.advertise(set)
    await wait(draw.whole(500, 4000))
    const how = draw.one(['fin', 'rst', 'silent'] as const)
    await Promise.all(left.map((place) => front.close(place.set, how, [place.host])))
  }),
  move('node by node', async (stage) => {
    const { front, cluster, draw, wait } = stage
    const set = freshSet(stage)
    const close = draw.one(['fin', 'rst'] as const)
    for (const nodeId of draw.shuffled(cluster.nodeIds)) {
      await front.move(set, { nodes: [nodeId], close })
      await wait(draw.whole(200, 2000))
    }
  }),
  move('some nodes', async (stage) => {
    const { front, cluster, draw } = stage
    const nodes = draw.shuffled(cluster.nodeIds).slice(0, draw.whole(1, 2))
    await front.move(freshSet(stage), { nodes, close: draw.one(['fin', 'rst', 'silent'] as const) })
  }),
  move('away and back', async (stage) => {
    const { front, draw, wait } = stage
    const home = freshSet(stage)
    await front.move(home)
    await wait(draw.whole(1500, 3000))
    await front.move(freshSet(stage), { close: draw.one(['fin', 'rst'] as const) })
    await wait(draw.whole(100, 900))
    await front.move(home, { close: draw.one(['fin', 'rst'] as const) })
  }),
  move('two in a row', async (stage) => {
    await moveAll(stage, 'fin')
    await stage.wait(stage.draw.whole(20, 400))
    await moveAll(stage, 'rst')
  }),
  move('two swap', async ({ front, cluster, draw }) => {
    const [one, other] = draw.shuffled(cluster.nodeIds) as [number, number]
    await front.swap(one, other)
  }),
  move('coordinator only', async (stage) => {
    const { front, cluster, crew } = stage
    await front.move(freshSet(stage), { nodes: [await cluster.coordinatorOf(crew.groupId)] })
  }),
]
