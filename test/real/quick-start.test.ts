// The quick start of the README, run as it stands while every broker moves.
import { expect, test } from 'vitest'
import { startFront } from '../cluster/front.ts'
import { createProject, readmeCode } from '../quick-start.ts'
import { readLog } from './harness/ground-truth.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until } from './harness/until.ts'
import { createWorkload } from './harness/workload.ts'

const cluster = sharedCluster({ bindFixed: true })

test('the quick start reads every message once while every broker moves, and ends by itself on SIGTERM', async () => {
  const topic = 'orders'
  await cluster().createTopic(topic)
  await using front = await startFront(cluster())
  await using project = await createProject()
  const [quickStart = ''] = await readmeCode()
  await project.write('quick-start.ts', quickStart)
  await project.compile('quick-start')
  const tell = () => project.write('brokers.txt', `${front.endpoints().join('\n')}\n`)
  await tell()
  await using program = project.run('quick-start')
  const prints = (what: string, found: () => boolean) =>
    until(() => {
      if (program.exitCode !== null)
        throw new Error(`It has ended with code ${program.exitCode}: ${program.complained}`)
      return found() ? undefined : `${what}; printed: ${program.printed.slice(-500)} ${program.complained.slice(-500)}`
    })
  await prints('the join', () => /^joined as /m.test(program.printed))

  const workload = await createWorkload(cluster(), { topic })
  const reads = async (count: number) => {
    const wanted = workload.sent + count
    await prints(`${wanted} messages`, () => handed(program.printed).length >= wanted)
  }
  workload.start()
  await reads(200)
  for (const set of [2, 3]) {
    await front.move(set, { close: set === 2 ? 'fin' : 'rst' })
    await tell()
    await reads(200)
  }
  // closed at once it would drop what is not sent yet, and nothing would ever be there to read
  await workload.stop()
  await reads(0)
  await workload.close()
  expect(program.printed.match(/^moved:/gm)?.length).toBeGreaterThanOrEqual(2)

  program.signal('SIGTERM')
  await program.ended()
  expect({ exitCode: program.exitCode, complained: program.complained }).toEqual({ exitCode: 0, complained: '' })
  const log = await readLog(cluster().kafka(), topic)
  const written = [...log].flatMap(([partition, { low, sequences }]) =>
    sequences.map((sequence, index) => `${partition} ${low + index} ${sequence}`),
  )
  expect(handed(program.printed).toSorted()).toEqual(written.toSorted())
})

/** What the lines about messages begin with: partition, offset, sequence. The rest of a value is when it was sent. */
const handed = (printed: string): string[] => printed.match(/^\d+ \d+ \d+(?= \d+$)/gm) ?? []
