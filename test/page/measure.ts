/**
 * What the inspector costs the process that it shows: `npm run measure:inspector`. A hundred consumers with six partitions each record 10,000 facts a minute
 * together; the processor time beside the same without an inspector, with nobody looking, and with three viewers in a process of their own.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import Table from 'cli-table3'
import { serveInspector } from '../../src/inspector/inspector.ts'
import type { Watched } from '../../src/views/inspection.ts'
import { emptyStatus, viewStatus } from '../../src/views/status.ts'
import { forkChild } from '../process/child.ts'
import { type FakeWatched, fakeWatched } from '../src/inspector/watched.ts'

const consumers = 100
const factsPerMinute = 10_000
/** Rounds with an inspector and without one take turns, as the machine has other things to do as well. */
const rounds = 8
const roundMs = 4000
const viewedMs = 20_000
const everyMs = 60

const assignment = { orders: [0, 1, 2, 3, 4, 5] }
const joined = { ...emptyStatus, state: 'consuming', memberId: 'orders-6f1c3a52-9d0e-4e0b-8a55', assignment } as const

/** One whose status and partitions are put together for each look, as a consumer's are. */
function busy(number: number): FakeWatched {
  const fake = fakeWatched(`group-${number}`)
  const partitions = () =>
    assignment.orders.map((partition) => ({
      ...{ topic: 'orders', partition, position: `${Date.now()}`, committed: `${Date.now()}`, end: `${Date.now()}` },
      ...{ lag: 0, bufferedBytes: 0, paused: false, handlingSince: null },
    }))
  const consumer: Watched['consumer'] = { ...fake.consumer, partitions, status: () => viewStatus(joined, Date.now()) }
  const brokers = () =>
    [1, 2, 3].map((nodeId) => {
      return { nodeId, endpoint: `127.0.0.${nodeId}:9092`, isPresent: true, heardAt: Date.now(), roundTripMs: 1 }
    })
  return { ...fake, consumer, brokers }
}

/** The share of a core, in percent, while facts are recorded at that rate. */
async function shareOf(watched: readonly FakeWatched[], forMs: number): Promise<number> {
  const [cpu, startedAt] = [process.cpuUsage(), performance.now()]
  let told = 0
  while (performance.now() - startedAt < forMs) {
    const due = ((performance.now() - startedAt) / 60_000) * factsPerMinute
    for (; told < due; told++) watched[told % consumers]?.tell({ type: 'link.reconnected', data: fact(told) })
    await pause(everyMs)
  }
  const { user, system } = process.cpuUsage(cpu)
  return (user + system) / 10 / (performance.now() - startedAt)
}

const median = (all: readonly number[]): number => all.toSorted((one, other) => one - other)[all.length >> 1] ?? 0

const fact = (number: number) => ({ nodeId: number % 3, endpoint: '127.0.0.1:9092', tookMs: 12, soft: true })

const made = () => Array.from({ length: consumers }, (_, number) => busy(number))
const [unseen, watched] = [made(), made()]
await using inspector = await serveInspector({ port: 0 })
for (const each of watched) inspector.observe.watch(each)
const shares: { readonly bare: number; readonly alone: number }[] = []
for (let round = 0; round <= rounds; round++)
  shares.push({ bare: await shareOf(unseen, roundMs), alone: await shareOf(watched, roundMs) })
shares.shift() // it was warming up
const bare = median(shares.map((each) => each.bare))
const alone = median(shares.map((each) => each.alone - each.bare))
const viewers = forkChild({
  ...{
    what: 'three viewers',
    main: fileURLToPath(new URL('./measure-main.ts', import.meta.url)),
    args: [inspector.url],
  },
  hear: () => {},
})
await viewers.up
await pause(1000)
const seen = (await shareOf(watched, viewedMs)) - bare
await viewers.kill()

const table = new Table({ head: ['share of a core', 'measured', 'wanted'], style: { head: [], border: [] } })
table.push(['facts alone, without an inspector', `${bare.toFixed(2)} %`, ''])
table.push(['nobody looks: beside that', `${alone.toFixed(2)} %`, 'at most 0.2 %'])
table.push(['three viewers: beside that', `${seen.toFixed(2)} %`, 'at most 3 %'])
console.log(`${consumers} consumers, ${factsPerMinute} facts a minute, medians of ${rounds} rounds`)
console.log(table.toString())
process.exitCode = alone > 0.2 || seen > 3 ? 1 : 0
