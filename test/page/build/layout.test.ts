// The charts: all that the machines have, and nothing on top of anything else.
import { expect, test } from 'vitest'
import { followingMachine } from '../../../machines/following.ts'
import { lifecycleMachine } from '../../../machines/lifecycle.ts'
import { membershipMachine } from '../../../machines/membership.ts'
import { layout } from '../../../page/build/layout.ts'
import { type ChartState, edgeOf, litState } from '../../../page/chart.ts'
import { leavesOf, nodesOf, pathOf, targetsIn } from '../../machines/structure.ts'

const charts = [
  ['lifecycle', lifecycleMachine, 'RIGHT'],
  ['lifecycle', lifecycleMachine, 'DOWN'],
  ['membership', membershipMachine, 'RIGHT'],
  ['membership', membershipMachine, 'DOWN'],
  ['following', followingMachine, 'RIGHT'],
  ['following', followingMachine, 'DOWN'],
] as const

test.each(charts)('the chart of the %s has each of its states and transitions', async (_, machine, direction) => {
  const chart = await layout(machine, direction)
  expect(chart.states.map(({ id }) => id)).toEqual(nodesOf(machine).map(pathOf))
  let transitions = 0
  for (const [from, targets] of targetsIn(machine)) {
    for (const [to, events] of targets) {
      for (const event of events.map((name) => (name.startsWith('xstate.') ? 'actor.failed' : name))) {
        transitions += 1
        expect(edgeOf(chart, from, to, event)?.to, `${from} by ${event} to ${to}`).toBe(to)
      }
    }
  }
  expect(transitions).toBeGreaterThan(15)
})

test.each(charts)(
  'no two states of the chart of the %s overlap, and all are in the picture',
  async (_, machine, direction) => {
    const { states, width, height, edges } = await layout(machine, direction)
    const leaves = new Set(leavesOf(machine).map(pathOf))
    const boxes = states.filter(({ id }) => leaves.has(id))
    const overlaps = boxes.flatMap((one, index) => boxes.slice(index + 1).filter((other) => overlap(one, other)))
    expect(boxes.length).toBeGreaterThan(5)
    expect(overlaps).toEqual([])
    for (const { id, x, y, ...box } of states) {
      expect(x >= 0 && y >= 0 && x + box.width <= width && y + box.height <= height, id).toBe(true)
      const [outer] = states.filter((each) => id.startsWith(`${each.id}.`))
      if (outer) expect(overlap({ x, y, ...box }, outer), `${id} is in ${outer.id}`).toBe(true)
    }
    for (const { id, path, length } of edges) expect(path.startsWith('M') && length > 0, id).toBe(true)
  },
)

test('a state is known by its name and the kind of the plan, as records have it', async () => {
  const chart = await layout(lifecycleMachine, 'RIGHT')
  expect(litState(chart, 'draining', 'in-place')).toBe('draining.in-place')
  expect(litState(chart, 'stopping', 'in-place')).toBe('stopping')
  expect(litState(chart, 'consuming', undefined)).toBe('consuming')
})

type Box = Pick<ChartState, 'x' | 'y' | 'width' | 'height'>

const overlap = (one: Box, other: Box): boolean =>
  one.x < other.x + other.width &&
  other.x < one.x + one.width &&
  one.y < other.y + other.height &&
  other.y < one.y + one.height
