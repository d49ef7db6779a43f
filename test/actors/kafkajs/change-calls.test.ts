// The requests that change a cluster, byte by byte, and the answers to them.
import { expect, test } from 'vitest'
import { encodeCall } from '../../../actors/kafkajs/calls.ts'
import { changeCalls } from '../../../actors/kafkajs/change-calls.ts'
import { int16, int32, list, requestFrame, text } from '../bytes.ts'

const byte = (value: number) => Buffer.from([value])
/** Of flexible versions: lengths are one more, in a byte as long as they are small; 0 stands for null. */
const compactText = (value: string | null) =>
  value === null ? byte(0) : Buffer.concat([byte(value.length + 1), Buffer.from(value)])
const compactList = (items: readonly Buffer[]) => Buffer.concat([byte(items.length + 1), ...items])
const noTags = byte(0)
const encoded = (call: Parameters<typeof encodeCall>[0]) => encodeCall(call, 'orders-service')

test('replicas are asked for topic by topic, and null where a move is to end', async () => {
  const changes = [
    { topic: 'orders', partition: 2, replicas: [3, 1] },
    { topic: 'bills', partition: 0, replicas: [5] },
    { topic: 'orders', partition: 7, replicas: null },
  ]
  const partition = (number: number, replicas: Buffer) => Buffer.concat([int32(number), replicas, noTags])
  const orders = [partition(2, compactList([int32(3), int32(1)])), partition(7, byte(0))]
  const bills = [partition(0, compactList([int32(5)]))]
  const topics = [
    Buffer.concat([compactText('orders'), compactList(orders), noTags]),
    Buffer.concat([compactText('bills'), compactList(bills), noTags]),
  ]
  const body = [noTags, int32(5000), compactList(topics), noTags]
  expect(await encoded(changeCalls.alterReassignments(changes))).toEqual(requestFrame(45, 0, 0, ...body))
})

test('what is said of each reassignment is read, beside an error of them all', async () => {
  const partition = (number: number, error: number, message: string | null) =>
    Buffer.concat([int32(number), int16(error), compactText(message), noTags])
  // A tag that is not known is stepped over.
  const tags = Buffer.concat([byte(1), byte(9), byte(2), byte(1), byte(2)])
  const topics = [
    Buffer.concat([compactText('orders'), compactList([partition(2, 0, null), partition(7, 85, 'none')]), tags]),
    Buffer.concat([compactText('bills'), compactList([partition(0, 39, null)]), noTags]),
  ]
  const body = [noTags, int32(0), int16(31), compactText('no'), compactList(topics), noTags]
  expect(await changeCalls.alterReassignments([]).decode(Buffer.concat(body))).toEqual({
    errorCode: 31,
    partitions: [
      { topic: 'orders', partition: 2, errorCode: 0 },
      { topic: 'orders', partition: 7, errorCode: 85 },
      { topic: 'bills', partition: 0, errorCode: 39 },
    ],
  })
})

test('the first replica is to be elected, never one that is out of sync', async () => {
  const places = [
    { topic: 'orders', partition: 2 },
    { topic: 'bills', partition: 0 },
    { topic: 'orders', partition: 7 },
  ]
  const topics = [
    Buffer.concat([text('orders'), list([int32(2), int32(7)])]),
    Buffer.concat([text('bills'), list([int32(0)])]),
  ]
  const expected = requestFrame(43, 1, 0, byte(0), list(topics), int32(5000))
  expect(await encoded(changeCalls.electPreferred(places))).toEqual(expected)
})

test('what is said of each election is read', async () => {
  const partition = (number: number, error: number, message: string | null) =>
    Buffer.concat([int32(number), int16(error), text(message)])
  const orders = Buffer.concat([text('orders'), list([partition(2, 84, 'already'), partition(7, 80, null)])])
  const body = Buffer.concat([int32(0), int16(41), list([orders])])
  expect(await changeCalls.electPreferred([]).decode(body)).toEqual({
    errorCode: 41,
    partitions: [
      { topic: 'orders', partition: 2, errorCode: 84 },
      { topic: 'orders', partition: 7, errorCode: 80 },
    ],
  })
})

test('settings are set and deleted one by one, gathered by what has them, and none is only tried', async () => {
  const changes = [
    { type: 'topic', name: 'orders', config: 'one', value: '0:1' },
    { type: 'broker', name: '', config: 'two', value: null },
    { type: 'topic', name: 'orders', config: 'three', value: '' },
  ] as const
  const setting = (name: string, operation: number, value: string | null) =>
    Buffer.concat([text(name), byte(operation), text(value)])
  const resources = [
    Buffer.concat([byte(2), text('orders'), list([setting('one', 0, '0:1'), setting('three', 0, '')])]),
    Buffer.concat([byte(4), text(''), list([setting('two', 1, null)])]),
  ]
  const expected = requestFrame(44, 0, 0, list(resources), byte(0))
  expect(await encoded(changeCalls.alterConfigs(changes))).toEqual(expected)
})

test('what is said of each change of settings is read', async () => {
  const altered = (error: number, message: string | null, type: number, name: string) =>
    Buffer.concat([int16(error), text(message), byte(type), text(name)])
  const body = Buffer.concat([int32(0), list([altered(0, null, 2, 'orders'), altered(40, 'no number', 4, '3')])])
  expect(await changeCalls.alterConfigs([]).decode(body)).toEqual([
    { errorCode: 0, message: null, resource: { type: 'topic', name: 'orders' } },
    { errorCode: 40, message: 'no number', resource: { type: 'broker', name: '3' } },
  ])
})

test('settings are asked for by their names', async () => {
  const asked = [{ type: 'broker', name: '3' }] as const
  const resource = Buffer.concat([byte(4), text('3'), list([text('one'), text('two')])])
  const expected = requestFrame(32, 2, 0, list([resource]), byte(0))
  expect(await encoded(changeCalls.describeConfigs(asked, ['one', 'two']))).toEqual(expected)
})

test('settings are read with where they come from, and an error stays data', async () => {
  const entry = (name: string, value: string | null, source: number) =>
    Buffer.concat([text(name), text(value), byte(0), byte(source), byte(0), list([])])
  const resource = (error: number, type: number, name: string, entries: readonly Buffer[]) =>
    Buffer.concat([int16(error), text(error === 0 ? null : 'gone'), byte(type), text(name), list(entries)])
  const entries = [1, 2, 3, 4, 5, 6].map((source) => entry(`from-${source}`, source === 5 ? null : '7', source))
  const body = Buffer.concat([int32(0), list([resource(0, 4, '3', entries), resource(3, 2, 'orders', [])])])
  const described = await changeCalls.describeConfigs([], []).decode(body)
  const broker = { type: 'broker', name: '3' }
  expect(described[0]).toMatchObject({ errorCode: 0, resource: broker })
  expect(described[0]?.entries.map(({ config, value, source }) => [config, value, source])).toEqual([
    ['from-1', '7', 'topic'],
    ['from-2', '7', 'broker'],
    ['from-3', '7', 'all-brokers'],
    ['from-4', '7', 'file'],
    ['from-5', null, 'default'],
    // A source that is not known, as a logger's, is none of ours to restore.
    ['from-6', '7', 'default'],
  ])
  expect(described[1]).toEqual({ errorCode: 3, resource: { type: 'topic', name: 'orders' }, entries: [] })
})
