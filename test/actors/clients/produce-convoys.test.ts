// Requests of plain producers that wait for the same turn: they go out as one, and each is told what became of its own messages.
import { setTimeout as pause } from 'node:timers/promises'
import { beforeEach, expect, test } from 'vitest'
import { ProducedOrder } from '../../../actors/clients/produced-order.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { readProduce } from '../../../actors/protocol/produce.ts'
import { int16, int32, int64, list, text } from '../bytes.ts'
import { brokers, facts, leaders, read, request, routesWith, setTopics } from './clients-stage.ts'

type Told = { readonly code: number; readonly offset?: bigint } | 'lost' | 'silent'

/** What went out: of each partition, its number and how many messages were in its batch. */
let sent: string[]
/** What the broker says of one with so many messages in its first batch. */
let tell: (round: number, count: number) => Told

beforeEach(async () => {
  sent = []
  tell = () => ({ code: 0 })
  setTopics([{ topic: 'orders', partitions: [0, 1].map((partition) => ({ partition, leader: 1 })) }])
  await leaders.lookUp(['orders'])
  brokers[0].answering.set(apiKeys.produce, (frame) => {
    const { partitions } = readProduce(frame)
    sent.push(partitions.map(({ partition, count }) => `${partition}: ${count}`).join(', '))
    const told = tell(sent.length, partitions[0]?.count ?? 0)
    if (told === 'silent') return undefined
    if (told === 'lost') {
      setImmediate(() => brokers[0].reset())
      return undefined
    }
    const { code, offset = 0n } = told
    const written = partitions.map(({ partition }) =>
      Buffer.concat([int32(partition), int16(code), int64(code === 0 ? offset : -1n), int64(-1n), int64(0n)]),
    )
    return Buffer.concat([list([Buffer.concat([text('orders'), list(written)])]), int32(0)])
  })
})

const produce = (
  partitions: readonly number[],
  { timeout = 3000, producerId = -1, acks = -1, messages = 1, compression = 0, bytes = 3 } = {},
) =>
  request('Produce', 7, {
    ...{ transactionalId: null, acks, timeout, compression, producerId, producerEpoch: producerId < 0 ? -1 : 0 },
    topicData: [
      {
        topic: 'orders',
        partitions: partitions.map((partition) => ({
          ...{ partition, firstSequence: 0 },
          messages: Array.from({ length: messages }, () => ({ value: 'x'.repeat(bytes) })),
        })),
      },
    ],
  })

interface Produced {
  readonly topics: readonly { partitions: readonly { partition: number; errorCode: number; baseOffset: string }[] }[]
}
const results = async (answer: Buffer | undefined) => {
  const { topics } = (await read('Produce', 7, answer)) as Produced
  const partitions = topics.flatMap((topic) => topic.partitions)
  return partitions.map(({ partition, errorCode, baseOffset }) => `${partition}: ${errorCode} at ${baseOffset}`).join()
}

const lostMessages = () => facts.flatMap((fact) => (fact.type === 'response.lost' ? fact.failure.message : []))

/** Sends these at once over one connection. */
async function atOnce(frames: readonly Promise<Buffer>[], routes = routesWith()): Promise<string[]> {
  const written = await Promise.all(frames)
  return Promise.all(written.map(async (frame) => results(await routes.answer(1, frame))))
}

test('those that wait for the same partitions go out as one, and each has the offset of its first message', async () => {
  tell = (round) => ({ code: 0, offset: BigInt(10 * round) })
  const frames = [produce([0, 1]), produce([0, 1], { messages: 2 }), produce([1]), produce([0], { messages: 3 })]
  expect(await atOnce(frames)).toEqual(['0: 0 at 10,1: 0 at 10', '0: 0 at 20,1: 0 at 20', '1: 0 at 22', '0: 0 at 22'])
  expect(sent).toEqual(['0: 1, 1: 1', '0: 5, 1: 3'])
})

test.each<[string, Parameters<typeof produce>[1]]>([
  ['of an idempotent producer', { producerId: 4 }],
  ['compressed', { compression: 1 }],
  ['for other acknowledgements', { acks: 1 }],
  ['for another time', { timeout: 4000 }],
  ['too large', { bytes: 70_000 }],
])('one that is %s goes out by itself, behind them', async (_, options) => {
  await atOnce([produce([0]), produce([0]), produce([0], options), produce([0])])
  expect(sent).toEqual(['0: 1', '0: 1', '0: 1', '0: 1'])
})

test('one that waits for another partition as well goes out behind them', async () => {
  await atOnce([produce([0]), produce([0]), produce([0, 1]), produce([0])])
  expect(sent).toEqual(['0: 1', '0: 1', '0: 2, 1: 1'])
})

test('what is refused for its contents is sent again one by one', async () => {
  tell = (round) => ({ code: round === 2 || round === 3 ? 10 : 0, offset: BigInt(10 * round) })
  expect(await atOnce([produce([0]), produce([0]), produce([0])])).toEqual(['0: 0 at 10', '0: 10 at -1', '0: 0 at 40'])
  expect(sent).toEqual(['0: 1', '0: 2', '0: 1', '0: 1'])
})

test('what is refused for anything else is refused for each', async () => {
  tell = (round) => ({ code: round === 1 ? 0 : 29 })
  expect(await atOnce([produce([0]), produce([0]), produce([0])])).toEqual(['0: 0 at 0', '0: 29 at -1', '0: 29 at -1'])
  expect(sent).toEqual(['0: 1', '0: 2'])
})

test('where the answer is lost each counts as sent again, and stays unknown where it is refused then', async () => {
  tell = (round) => (round === 2 ? 'lost' : { code: round === 3 ? 10 : 0 })
  const order = new ProducedOrder(2 ** 20)
  const told = await atOnce([produce([0]), produce([0]), produce([0])], routesWith({ order }))
  expect(told).toEqual(['0: 0 at 0', '0: -1 at -1', '0: -1 at -1'])
  expect(order.repeated).toBe(2)
})

test('what no answer comes to is unknown for each', async () => {
  tell = (round) => (round === 1 ? { code: 0 } : 'silent')
  const frames = [produce([0]), ...Array.from({ length: 2 }, () => produce([0], { timeout: 1700 }))]
  expect(await atOnce(frames)).toEqual(['0: 0 at 0', '0: -1 at -1', '0: -1 at -1'])
  expect(lostMessages()).toEqual([expect.stringContaining("can't be known"), expect.stringContaining("can't be known")])
})

test('when the first has no more time the others go on', async () => {
  tell = (round, count) => (round === 1 ? 'silent' : { code: count > 1 ? 6 : 0 })
  const routes = routesWith()
  const [first, second] = [produce([0], { timeout: 1700 }), produce([0], { timeout: 1950 })]
  const early = atOnce([first, second], routes)
  await pause(300)
  const late = atOnce([produce([0], { timeout: 1950 })], routes)
  expect(await early).toEqual(['0: -1 at -1', '0: -1 at -1'])
  expect(await late).toEqual(['0: 0 at 0'])
  expect(sent.filter((each) => each === '0: 2').length).toBeGreaterThan(0)
  expect(lostMessages()).toEqual([
    expect.stringContaining("can't be known"),
    expect.stringContaining('it was not written'),
  ])
})

test('one whose turn does not come in time is answered by then, and those behind it still go', async () => {
  tell = (round) => (round === 1 ? 'silent' : { code: 0 })
  const [first, hasty, behind] = [{ timeout: 1700 }, { timeout: 1100 }, { timeout: 3000 }]
  const began = performance.now()
  const hastyMs: number[] = []
  const routes = routesWith()
  const told = await Promise.all(
    [first, hasty, behind].map(async (options) => {
      const [each] = await atOnce([produce([0], options)], routes)
      if (options === hasty) hastyMs.push(performance.now() - began)
      return each
    }),
  )
  expect(told).toEqual(['0: -1 at -1', '0: -1 at -1', '0: 0 at 0'])
  expect(hastyMs[0]).toBeLessThan(680)
  expect(sent).toEqual(['0: 1', '0: 1'])
})
