/** What happens to members, to their handlers, to the source of brokers and to a journal. */
import { until } from '../real/harness/until.ts'
import { moveAll } from './moves.ts'
import type { SourceMood } from './source.ts'
import type { Action, Stage } from './stage.ts'

const fault = (kind: string, backWithinMs: number, act: Action['act']): Action => {
  return { kind, isMove: false, backWithinMs, act }
}

export const memberFaults: readonly Action[] = [
  fault('member killed', 15_000, async ({ crew, draw, wait }) => {
    const victim = draw.one(crew.mortal)
    await crew.kill(victim)
    await wait(draw.whole(0, 2000))
    await victim.start()
  }),
  fault('member killed as all move', 15_000, async (stage) => {
    const { crew, draw } = stage
    const victim = draw.one(crew.mortal)
    const moved = moveAll(stage, draw.one(['fin', 'rst', 'silent'] as const))
    await Promise.all([crew.kill(victim), moved])
    await victim.start()
  }),
  fault('member stopped and started', 10_000, async ({ crew, draw, wait }) => {
    const member = draw.one(crew.members)
    await member.stop()
    await wait(draw.whole(0, 2000))
    await member.start()
  }),
  fault('member added and removed', 10_000, async ({ crew, draw, wait }) => {
    await crew.guest.start()
    await wait(draw.whole(1000, 5000))
    await crew.guest.stop()
  }),
  fault('handlers slow', 10_000, async ({ crew, draw, wait }) => {
    const forMs = draw.whole(1000, 6000)
    for (const member of crew.members) member.mood({ kind: 'slow', forMs })
    await wait(forMs)
  }),
  fault('handlers slow as all move', 10_000, async (stage) => {
    const { crew, draw, wait } = stage
    const forMs = draw.whole(1000, 4000)
    for (const member of crew.members) member.mood({ kind: 'slow', forMs })
    await wait(300)
    await moveAll(stage, draw.one(['fin', 'rst', 'silent'] as const))
    await wait(forMs)
  }),
  fault('handlers throw', 10_000, async ({ crew, draw, canary }) => {
    const text = `refused by https://shop:${canary}@orders.example`
    const times = draw.whole(1, 4)
    for (const member of crew.members) member.mood({ kind: 'throws', times, text })
  }),
  fault('handler hangs', 10_000, async ({ crew, draw, wait }) => {
    const member = draw.one(crew.members)
    const before = member.count('handler.timed-out')
    member.mood({ kind: 'hangs' })
    const missing = () => (member.count('handler.timed-out') > before ? undefined : 'the fact handler.timed-out')
    await until(missing, { deadlineMs: 10_000 })
    await wait(100)
  }),
  sick('source fails', 'fails'),
  sick('source hangs', 'hangs'),
  sick('source late', 'late'),
]

/** Handlers that were at work, one for each partition. */
const IN_FLIGHT = 6

/** Fills the disk of the first member's journal until its consumer has ended, and starts it again on the same journal. */
export const fullDisk: Action = fault('journal on a full disk', 20_000, async (stage) => {
  const { crew, disk, draw, tell } = stage
  const [member] = crew.members
  if (disk === undefined || member === undefined) throw new Error('There is no disk to fill')
  const before = member.count('journal.failed')
  disk.fill()
  try {
    // what moves has to be recorded
    for (let attempt = 0; attempt < 5 && member.count('journal.failed') === before; attempt += 1) {
      await moveAll(stage, 'fin')
      await stage.wait(2000)
    }
    if (member.count('journal.failed') === before) throw new Error(`${member.name} wrote its journal to a full disk`)
    // it handles nothing any more, and its process lives on: somebody has to replace it
    const handled = member.handled
    await stage.wait(draw.whole(500, 3000))
    if (member.handled > handled + IN_FLIGHT) throw new Error(`${member.name} went on without its journal`)
    if (!member.alive) throw new Error(`The process of ${member.name} ended by itself`)
  } finally {
    disk.free()
  }
  tell(`${member.name} has ended for its journal's sake; its process is replaced`)
  await crew.kill(member)
  await member.start()
})

/** The source is sick from before a move until three seconds after it. */
function sick(kind: string, mood: SourceMood): Action {
  return fault(kind, 5000, async (stage: Stage) => {
    const { source, draw, wait } = stage
    source.become(mood)
    try {
      await wait(draw.whole(0, 1500))
      await moveAll(stage, draw.one(['fin', 'rst', 'silent'] as const))
      await wait(3000)
    } finally {
      source.become('right')
    }
  })
}
