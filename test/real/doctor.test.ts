// What the doctor finds on real brokers: each finding with one that has just that wrong.
import { isIP, type LookupFunction } from 'node:net'
import { expect, test } from 'vitest'
import { runCommand } from '../../src/command-line/command.ts'
import { type Examination, examine } from '../../src/doctor/examination.ts'
import type { ConsumerOptions } from '../../src/index.ts'
import { resolveOptions } from '../../src/options/options.ts'
import { startFront } from '../cluster/front.ts'
import { sharedCluster } from './harness/shared-cluster.ts'

const cluster = sharedCluster({ bindFixed: true })

test('a cluster that works has nothing to be found, and the command ends with 0', async () => {
  await using front = await startFront(cluster())
  const { code, out } = await doctor('--brokers', front.endpoint(1))
  expect([code, out.at(-1)]).toEqual([0, 'Nothing was found.'])
  for (const nodeId of [1, 2, 3])
    expect(out.find((line) => line.startsWith(`node ${nodeId} `))).toMatch(new RegExp(`${front.endpoint(nodeId)}.*ok$`))
})

test('addresses of two listeners are found', async () => {
  await using front = await startFront(cluster())
  const { findings } = await examined({ brokers: [front.endpoint(1), ...cluster().internal] })
  expect(codes(findings)).toEqual(['two-listeners'])
  expect(findings[0]?.what).toContain(`node 2 at ${cluster().internal[1]}`)
})

test('an advertised address that leads to nobody is found, and the command ends with 1', async () => {
  await using front = await startFront(cluster())
  await front.close(1, 'rst', [2])
  const { code, out } = await doctor('--json', '--brokers', front.endpoint(1))
  const { findings } = JSON.parse(out.join('\n'))
  expect([code, codes(findings)]).toEqual([1, ['leads-to-nobody']])
  expect(findings[0]).toMatchObject({
    what: expect.stringContaining(`node 2 advertises ${front.endpoint(2)}: connect ECONNREFUSED`),
    likelyCause: expect.stringContaining('`advertised.listeners`'),
    nextStep: expect.stringContaining('correct `advertised.listeners`'),
  })
})

test('an address that leads to another broker of the cluster is found', async () => {
  await using front = await startFront(cluster())
  front.names(true)
  const { findings } = await examined({
    brokers: [front.endpoint(1)],
    lookup: named({ 'node1.lan': front.address(1), 'node2.lan': front.address(3), 'node3.lan': front.address(3) }),
  })
  expect(codes(findings)).toEqual(['leads-elsewhere', 'same-address'])
  expect(findings[0]?.what).toBe(`node 2 advertises ${front.endpoint(2)}, where node 3 is`)
  expect(findings[1]?.what).toContain('nodes 2 and 3 are both under')
})

const codes = (findings: Examination['findings']) => findings.map(({ code }) => code)

/** Runs the command as a shell would. */
async function doctor(...args: string[]) {
  const out: string[] = []
  const error: string[] = []
  const terminal = { out: (line: string) => void out.push(line), error: (line: string) => void error.push(line) }
  const code = await runCommand(['doctor', ...args], terminal)
  return { code, out, error }
}

/** Examines with these options, for what no flag says. */
async function examined(options: Partial<ConsumerOptions>): Promise<Examination> {
  const { groupId, topics = [] } = options
  const base = { groupId: 'doctor', eachMessage: () => {}, ...options, topics: ['doctor'] }
  return examine({ ...resolveOptions(base as ConsumerOptions), groupId, topics: topics as readonly string[] })
}

/** Resolves these names, and no other. */
const named =
  (names: Readonly<Record<string, string>>): LookupFunction =>
  (host, { all }, done) => {
    const address = names[host]
    if (address === undefined)
      done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' }), '')
    else if (all) done(null, [{ address, family: isIP(address) }])
    else done(null, address, isIP(address))
  }
