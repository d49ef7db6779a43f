// What a producer sends, while leaders change, connections break and brokers refuse.
import { beforeEach, expect, test } from 'vitest'
import { ProducedOrder } from '../../../actors/clients/produced-order.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { type ProducedPartition, readProduce } from '../../../actors/protocol/produce.ts'
import { int16, int32, int64, list, text } from '../bytes.ts'
import { brokers, cluster, facts, leaders, read, request, routesWith, setTopics } from './clients-stage.ts'

interface Sent {
  readonly node: number
  readonly partitions: readonly number[]
}
/** Each batch that arrived, as producer id and sequence. */
let batches: string[]
let sent: Sent[]
/** What a broker answers for a partition: its error and offset. `lost`: it closes the connection in place of an answer. */
type Answering = (
  node: number,
  partition: number,
  round: number,
) => { code: number; offset?: bigint } | 'lost' | 'silent'

beforeEach(() => {
  sent = []
  batches = []
})

async function leading(...by: number[]): Promise<void> {
  setTopics([{ topic: 'orders', partitions: by.map((leader, partition) => ({ partition, leader })) }])
  await leaders.lookUp(['orders'])
}

function answering(answer: Answering): void {
  for (const [index, broker] of brokers.entries()) {
    broker.answering.set(apiKeys.produce, (frame) => {
      const { partitions } = readProduce(frame)
      batches.push(...partitions.map(numbersOf))
      sent.push({ node: index + 1, partitions: partitions.map(({ partition }) => partition) })
      const told = partitions.map(({ partition }) => ({ partition, told: answer(index + 1, partition, sent.length) }))
      if (told.some(({ told }) => told === 'silent')) return undefined
      if (told.some(({ told }) => told === 'lost')) {
        setImmediate(() => broker.reset())
        return undefined
      }
      const written = told.map(({ partition, told }) => {
        const { code, offset = 0n } = told as { code: number; offset?: bigint }
        return Buffer.concat([int32(partition), int16(code), int64(offset), int64(-1n), int64(0n)])
      })
      return Buffer.concat([list([Buffer.concat([text('orders'), list(written)])]), int32(7)])
    })
  }
}

const numbersOf = ({ partition, producerId, sequence }: ProducedPartition) => `${partition}: ${producerId} ${sequence}`

const produce = (
  partitions: readonly number[],
  { timeout = 3000, producerId = -1, firstSequence = 0, transactionalId = null as string | null, acks = -1 } = {},
) =>
  request('Produce', 7, {
    ...{ transactionalId, acks, timeout, compression: 0, producerId, producerEpoch: producerId < 0 ? -1 : 0 },
    topicData: [
      {
        topic: 'orders',
        partitions: partitions.map((partition) => ({ partition, firstSequence, messages: [{ value: 'one' }] })),
      },
    ],
  })

interface Produced {
  readonly topics: readonly { partitions: readonly { partition: number; errorCode: number; baseOffset: string }[] }[]
  readonly throttleTime: number
}
const results = async (answer: Buffer | undefined) => {
  const { topics } = (await read('Produce', 7, answer)) as Produced
  return topics
    .flatMap(({ partitions }) => partitions)
    .toSorted((one, other) => one.partition - other.partition)
    .map(({ partition, errorCode, baseOffset }) => `${partition}: ${errorCode} at ${baseOffset}`)
}

test('each partition goes to its leader, whichever node the client writes to, and comes back once with its offset', async () => {
  await leading(1, 2, 1)
  answering((node, partition) => ({ code: 0, offset: BigInt(10 * node + partition) }))
  const answer = await routesWith().answer(1, await produce([0, 1, 2]))
  expect(await results(answer)).toEqual(['0: 0 at 10', '1: 0 at 21', '2: 0 at 12'])
  expect(sent.toSorted((one, other) => one.node - other.node)).toEqual([
    { node: 1, partitions: [0, 2] },
    { node: 2, partitions: [1] },
  ])
  const { throttleTime, clientSideThrottleTime } = (await read('Produce', 7, answer)) as never as Record<string, number>
  expect(throttleTime || clientSideThrottleTime).toBe(7)
})

test.each([3, 5, 6, 13, 19, 56, 74])(
  'after error %i only the partition that has it is sent again, to who leads then',
  async (code) => {
    await leading(1, 1)
    answering((node, partition) => {
      if (partition === 0 || node === 2) return { code: 0, offset: BigInt(node) }
      setTopics([{ topic: 'orders', partitions: [1, 2].map((leader, partition) => ({ partition, leader })) }])
      return { code }
    })
    const answer = await routesWith().answer(1, await produce([0, 1]))
    expect(await results(answer)).toEqual(['0: 0 at 1', '1: 0 at 2'])
    expect(sent).toEqual([
      { node: 1, partitions: [0, 1] },
      { node: 2, partitions: [1] },
    ])
  },
)

test('an error that does not pass comes to the client with the rest of the answer', async () => {
  await leading(1, 1)
  answering((_, partition) => ({ code: partition === 0 ? 0 : 10, offset: 5n }))
  const answer = await routesWith().answer(1, await produce([0, 1]))
  expect(await results(answer)).toEqual(['0: 0 at 5', '1: 10 at 5'])
})

test('where the connection ends before the answer it is sent again, and counted for a plain producer', async () => {
  await leading(1)
  answering((_node, _partition, round) => (round === 1 ? 'lost' : { code: 0, offset: 8n }))
  const order = new ProducedOrder(2 ** 20)
  const answer = await routesWith({ order }).answer(1, await produce([0]))
  expect(await results(answer)).toEqual(['0: 0 at 8'])
  expect(order.repeated).toBe(1)
})

test('an idempotent producer is acknowledged by the leader that has it already, and is not counted', async () => {
  await leading(1)
  answering((_node, _partition, round) => (round === 1 ? 'lost' : { code: 46, offset: -1n }))
  const order = new ProducedOrder(2 ** 20)
  const answer = await routesWith({ order }).answer(1, await produce([0], { producerId: 4 }))
  expect(await results(answer)).toEqual(['0: 0 at -1'])
  expect(order.repeated).toBe(0)
})

test('at the deadline what is open is answered with an error that KafkaJS does not repeat, and a fact names it', async () => {
  await leading(1, 2)
  answering((node) => (node === 1 ? { code: 0, offset: 1n } : { code: 6 }))
  const answer = await routesWith().answer(1, await produce([0, 1], { timeout: 1700 }))
  expect(await results(answer)).toEqual(['0: 0 at 1', '1: -1 at -1'])
  expect(facts).toMatchObject([{ type: 'response.lost', request: 'Produce v7 to orders/1' }])
  expect(facts[0]).toMatchObject({ failure: { message: expect.stringContaining('it was not written') } })
})

test.each([
  ['an idempotent producer goes on under a new id', null, '0: 0 at 0', '0: 100 0'],
  ['the producer of a transaction is fenced', 'payments', '0: 47 at -1', undefined],
])('what may have been written is told as unknown, and %s', async (_, transactionalId, then, goesOut) => {
  await leading(1)
  answering(() => 'silent')
  const routes = routesWith()
  const producer = { producerId: 4, transactionalId }
  const answer = await routes.answer(1, await produce([0], { timeout: 1700, ...producer }))
  expect(await results(answer)).toEqual(['0: -1 at -1'])
  expect(facts[0]).toMatchObject({ failure: { message: expect.stringContaining("can't be known") } })
  const before = batches.length
  answering(() => ({ code: 0 }))
  expect(await results(await routes.answer(1, await produce([0], producer)))).toEqual([then])
  expect(batches[before]).toBe(goesOut)
})

test('what is written beside a batch that is refused keeps its sequence, whatever the client makes of it', async () => {
  await leading(1, 1)
  answering((_, partition, round) => ({ code: round === 1 && partition === 0 ? 10 : 0 }))
  const routes = routesWith()
  const producerId = 4
  await routes.answer(1, await produce([0, 1], { producerId }))
  await routes.answer(1, await produce([0, 1], { producerId }))
  expect(batches).toEqual(['0: 4 0', '1: 4 0', '0: 4 0', '1: 4 1'])
})

test('a batch that is acknowledged, and that the client sends again with its sequence, is acknowledged once more and not sent', async () => {
  await leading(1, 1)
  answering((_, partition, round) => ({ code: 0, offset: BigInt(10 * round + partition) }))
  const routes = routesWith()
  const producerId = 4
  const send = async (partitions: number[], firstSequence: number) =>
    results(await routes.answer(1, await produce(partitions, { producerId, firstSequence })))
  expect(await send([0], 0)).toEqual(['0: 0 at 10'])
  expect(await send([0], 1)).toEqual(['0: 0 at 20'])
  expect(await send([0, 1], 0)).toEqual(['0: 0 at 10', '1: 0 at 31'])
  expect(await send([0], 2)).toEqual(['0: 0 at 40'])
  expect(batches).toEqual(['0: 4 0', '0: 4 1', '1: 4 0', '0: 4 2'])
})

test.each([45, 59])('where the broker has lost what came before (error %i) it goes on under a new id', async (code) => {
  await leading(1)
  answering((_node, _partition, round) => ({ code: round === 1 ? code : 0, offset: 3n }))
  const answer = await routesWith().answer(1, await produce([0], { producerId: 4, firstSequence: 8 }))
  expect(await results(answer)).toEqual(['0: 0 at 3'])
  expect(batches).toEqual(['0: 4 8', '0: 100 0'])
})

test('behind a batch that was refused when it may have been written the sequence begins anew', async () => {
  await leading(1)
  answering((_node, _partition, round) => (round === 1 ? 'lost' : { code: round === 2 ? 29 : 0 }))
  const routes = routesWith()
  expect(await results(await routes.answer(1, await produce([0], { producerId: 4 })))).toEqual(['0: -1 at -1'])
  await routes.answer(1, await produce([0], { producerId: 4 }))
  expect(batches).toEqual(['0: 4 0', '0: 4 0', '0: 100 0'])
})

test('a topic that brokers do not know any more ends with an error that KafkaJS does not repeat', {
  timeout: 15_000,
}, async () => {
  await leading(1)
  answering(() => ({ code: 3 }))
  setTopics([{ topic: 'orders', error: 3, partitions: [] }])
  const began = performance.now()
  const answer = await routesWith({ requestTimeoutMs: 30_000 }).answer(1, await produce([0], { timeout: 30_000 }))
  expect(await results(answer)).toEqual(['0: 17 at -1'])
  expect(performance.now() - began).toBeGreaterThan(5000)
})

test('what is not acknowledged goes to the leader, wherever it was written', async () => {
  await leading(1, 2)
  answering(() => 'silent')
  const order = new ProducedOrder(2 ** 20)
  expect(await routesWith({ order }).answer(1, await produce([0, 1], { acks: 0 }))).toBeUndefined()
  await Promise.all(brokers.map((broker) => broker.asked(apiKeys.produce)))
  expect(sent.toSorted((one, other) => one.node - other.node)).toEqual([
    { node: 1, partitions: [0] },
    { node: 2, partitions: [1] },
  ])
  expect(order.dropped).toBe(0)
})

test('what is not acknowledged is dropped and counted while its leader is away, and when too much is under way', async () => {
  await leading(1, 2)
  cluster.book.put(2, { host: '127.0.0.1', port: 1 })
  const order = new ProducedOrder(2 ** 20)
  const routes = routesWith({ order })
  await routes.answer(1, await produce([0, 1], { acks: 0 }))
  expect(order.dropped).toBe(1)
  order.enter([{ topic: 'payments', partition: 0 }], 2 ** 20)
  await routes.answer(1, await produce([0, 1], { acks: 0 }))
  expect(order.dropped).toBe(3)
})

test('what is not acknowledged is dropped and counted while nobody says who leads', async () => {
  cluster.answering = () => new Promise(() => {})
  const order = new ProducedOrder(2 ** 20)
  expect(await routesWith({ order }).answer(1, await produce([0], { acks: 0 }))).toBeUndefined()
  expect(order.dropped).toBe(1)
})

test('requests to one partition never overtake each other, over whichever connection, and others do not wait', async () => {
  await leading(1, 2)
  const arrived: string[] = []
  answering((node, partition, round) => {
    arrived.push(`${node}/${partition}`)
    return round === 1 ? 'lost' : { code: 0 }
  })
  const order = new ProducedOrder(2 ** 20)
  const [one, other] = [routesWith({ order }), routesWith({ order })]
  const first = one.answer(1, await produce([0])).then(() => arrived.push('first'))
  const second = other.answer(1, await produce([0])).then(() => arrived.push('second'))
  const beside = other.answer(2, await produce([1])).then(() => arrived.push('beside'))
  await Promise.all([first, second, beside])
  const ofZero = arrived.filter((each) => each !== '2/1' && each !== 'beside')
  expect(ofZero).toEqual(['1/0', '1/0', 'first', '1/0', 'second'])
})
