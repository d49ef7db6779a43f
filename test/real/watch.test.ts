// `relisten watch` on real brokers: a line for each change, and a table that stays true.
import { expect, test } from 'vitest'
import { startFront } from '../cluster/front.ts'
import { startRelisten } from '../src/doctor/examined.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until, within } from './harness/until.ts'

const cluster = sharedCluster({ bindFixed: true })

test('a move is a line with each node, and stands in the table', async () => {
  await using front = await startFront(cluster())
  const old = front.endpoints()
  const running = startRelisten('watch', '--brokers', old.join())
  const line = (type: string) => until(() => (running.out.some((one) => one.includes(`  ${type} `)) ? undefined : type))
  await line('cluster.reached')
  expect(running.out).toEqual([
    expect.stringMatching(
      `^\\S+Z {2}cluster\\.reached .*Cluster ${cluster().clusterId} is reached, 3 brokers: node 1 ${old[0]}, node 2`,
    ),
  ])
  await front.open(2)
  front.advertise(2)
  await line('cluster.moved')
  const moves = front.endpoints().map((endpoint, index) => `node ${index + 1} ${old[index]} → ${endpoint}`)
  const moved = running.out.filter((one) => one.includes('cluster.moved')).join()
  for (const move of moves) expect(moved).toContain(move)
  const table = (text: RegExp) =>
    until(() => (text.test(running.drawn.at(-1) ?? '') ? undefined : `${text} in the table`))
  for (const [index, endpoint] of front.endpoints().entries())
    await table(new RegExp(`^node ${index + 1} +${endpoint} +for .* was ${old[index]}`, 'm'))
  await table(/newest answer .* from 127\.0\.2\.\d:\d+: 3 brokers, same/)
  await front.close(1, 'fin')
  await front.close(2, 'rst')
  await line('cluster.unreachable')
  await table(/no broker answers: /)
  running.interrupt()
  expect(await within(10_000, 'the watch', running.ended)).toBe(0)
})

test('with --json each change is an object on a line', async () => {
  await using front = await startFront(cluster())
  const running = startRelisten('watch', '--json', '--brokers', front.endpoint(1))
  await until(() => (running.out.length > 0 ? undefined : 'a change'))
  const brokers = Object.fromEntries(front.endpoints().map((endpoint, index) => [index + 1, endpoint]))
  expect(running.out.map((line) => JSON.parse(line))).toEqual([
    { time: expect.any(String), type: 'cluster.reached', clusterId: cluster().clusterId, brokers },
  ])
  running.interrupt()
  expect(await within(10_000, 'the watch', running.ended)).toBe(0)
})
