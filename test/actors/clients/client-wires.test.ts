// The wires of clients: the cluster that is held while one is open, what they are told of versions, and how they end.
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bootstrap } from '../../../actors/clients/announced-nodes.ts'
import { ClientWires } from '../../../actors/clients/client-wires.ts'
import { createDial } from '../../../actors/connection/dial.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import type { SpokenVersions } from '../../../actors/protocol/versions.ts'
import type { Wire } from '../../../actors/wire/wire.ts'
import type { Fact } from '../../../machines/fact.ts'
import type { FailureKind } from '../../../machines/failure.ts'
import { kafkaVersions } from '../../kafka-versions.ts'
import { FakeCluster } from '../fake-cluster.ts'
import { settled } from '../stage.ts'
import { read, request } from './clients-stage.ts'

let cluster: FakeCluster
let facts: Fact[]
let acquired: number
let released: number
let wires: ClientWires
let spoken: SpokenVersions[]

const spokenBy = (version: keyof typeof kafkaVersions): SpokenVersions =>
  new Map(kafkaVersions[version].map(([apiKey, least, most]) => [apiKey, { least, most }]))

beforeEach(() => {
  facts = []
  acquired = 0
  released = 0
  spoken = [spokenBy('4.4')]
  cluster = new FakeCluster()
  wires = new ClientWires({
    ...{
      clientId: 'orders-service',
      holdMs: 1000,
      requestTimeoutMs: 3000,
      maxInFlightBytes: 2 ** 20,
      emit: (fact) => facts.push(fact),
    },
    dial: createDial({ security: () => ({}), dialTimeoutMs: 500, clusterId: () => 'ours' }),
    acquire: () => {
      acquired++
      return Object.assign(cluster, { versions: async () => spoken, release: () => released++ })
    },
  })
})
afterEach(() => wires.close())

const open = () => wires.open(bootstrap, () => {})
const types = () => facts.map(({ type }) => type)

/** The answer to a request; rejects with what the wire fails with. */
async function ask(wire: Wire, frame: Buffer): Promise<Buffer> {
  const answered = once(wire, 'data')
  wire.write(frame)
  const [answer] = await answered
  return answer
}
const apiVersions = () => request('ApiVersions', 2, {})

test('the cluster is held from the first wire to the last, and again from the next', async () => {
  const [one, two] = [open(), open()]
  expect([acquired, released, wires.size]).toEqual([1, 0, 2])
  one.end()
  two.end()
  two.end()
  expect([acquired, released, wires.size]).toEqual([1, 1, 0])
  open().end()
  expect([acquired, released]).toEqual([2, 2])
  expect(types()).toEqual(['wires.opened', 'wires.closed', 'wires.opened', 'wires.closed'])
})

test('clients are told what all brokers speak and the wire reads, and the same for as long as there are clients', async () => {
  spoken = [spokenBy('4.4'), new Map([...spokenBy('4.4'), [apiKeys.deleteAcls, { least: 0, most: 0 }]])]
  const wire = open()
  const told = await read('ApiVersions', 2, await ask(wire, await apiVersions()))
  const { apiVersions: list } = told as { apiVersions: { apiKey: number; maxVersion: number }[] }
  const most = new Map(list.map(({ apiKey, maxVersion }) => [apiKey, maxVersion]))
  expect(most.get(apiKeys.fetch)).toBe(11)
  expect(most.get(apiKeys.metadata)).toBe(6)
  expect(most.has(apiKeys.createAcls)).toBe(false) // the second broker, as the table has it, does not speak it
  spoken = [new Map()]
  expect(await read('ApiVersions', 2, await ask(open(), await apiVersions()))).toEqual(told)
  expect(wires.promised?.get(apiKeys.fetch)?.most).toBe(11)
})

const unreachable = (kind: FailureKind): Fact => {
  return {
    type: 'cluster.unreachable',
    sinceMs: 1000,
    failure: { kind, message: `it is ${kind}`, code: 'ECONNREFUSED' },
  }
}

test('a login that is refused is the error that KafkaJS does not try again', async () => {
  cluster.reached = new Promise(() => {})
  const wire = open()
  const answer = ask(wire, await apiVersions())
  await settled()
  cluster.facts$.next(unreachable('login-refused'))
  expect(await read('ApiVersions', 2, await answer)).toMatchObject({ errorCode: 58 })
})

test('where no broker answers a wire ends with why, and KafkaJS tries again at its own pace', async () => {
  cluster.reached = new Promise(() => {})
  const wire = open()
  const answer = ask(wire, await apiVersions())
  await settled()
  cluster.facts$.next(unreachable('unreachable'))
  await expect(answer).rejects.toMatchObject({ message: 'it is unreachable', code: 'ECONNREFUSED' })
  expect(wires.size).toBe(0)
})

test('closing fails each wire and lets the cluster go, and a client that comes later is refused', async () => {
  const [one, two] = [open(), open()]
  const ended = [once(one, 'error'), once(two, 'error')]
  wires.close()
  await Promise.all(ended)
  expect([released, wires.size]).toEqual([1, 0])
  const [error] = await once(open(), 'error')
  expect(String(error)).toContain('is closed')
  expect(acquired).toBe(1)
})

test('requests that wait are counted, and closing may wait for them', async () => {
  cluster.reached = new Promise(() => {})
  const wire = open()
  wire.write(await apiVersions())
  expect(wires.waiting).toBe(1)
  expect(await wires.settled(20)).toBe(false)
  const settling = wires.settled(5000)
  cluster.facts$.next(unreachable('login-refused'))
  expect(await settling).toBe(true)
  expect(wires.waiting).toBe(0)
})
