// Topics that change under a group: partitions are added, a topic is deleted and made again.
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { startFront } from '../../cluster/front.ts'
import { kafkaVersions } from '../../cluster/kafka-jars.ts'
import { setAfter } from '../harness/address-sets.ts'
import { form, isLong } from '../harness/form.ts'
import { extents, readLog } from '../harness/ground-truth.ts'
import { createLedger, unhandled } from '../harness/ledger.ts'
import { type Handed, recorded } from '../harness/member.ts'
import { relistenMember } from '../harness/relisten-member.ts'
import { report } from '../harness/report.ts'
import { startRun } from '../harness/run.ts'
import { sharedCluster } from '../harness/shared-cluster.ts'
import { until } from '../harness/until.ts'
import { createWorkload } from '../harness/workload.ts'

/** Of each partition, when partitions are added. */
const BACKLOG = 150
/** How often the topics are looked at; the default is five minutes. */
const METADATA_MAX_AGE_MS = 1000
/** Beside a topic that is gone for so long. */
const GONE_MS = form(3000, 60_000)
/** Numbers of the messages in the topic that was made again. */
const SECOND_LIFE = 1_000_000_000

describe.each(kafkaVersions)('on Kafka %s', (version) => {
  const cluster = sharedCluster({ version, bindFixed: true })

  // two beside each other: neither keeps the machine busy
  test.concurrent.each(version === kafkaVersions[0] ? [false, true] : form([true], [false, true]))(
    'partitions are added again and again under a backlog (with moves: %s)',
    async (moves) => {
      await using front = await startFront(cluster())
      await using run = await startRun({
        scenario: `partitions added under a backlog${moves ? ', all move at once with it' : ''} (${version})`,
        cluster: cluster(),
        client: relistenMember,
        brokers: () => front.endpoints(),
        options: { metadataMaxAge: METADATA_MAX_AGE_MS },
        handle: () => pause(10),
      })
      for (const count of form([8, 12], [8, 10, 12])) {
        await run.workload.backlog(BACKLOG * run.workload.partitions.length)
        const grow = async () => {
          await cluster().addPartitions(run.topic, count)
          await run.workload.grow(count)
        }
        // the members see it at their next look, hold what they have, and join again
        await run.move(() => Promise.all([grow(), moves && front.move(setAfter(front))]), {
          windowMs: form(2500, 15_000),
        })
      }
      const outcome = await run.finish()
      expect(report(outcome, { twice: 'process', rebalances: undefined })).toEqual([])
    },
  )

  // the short form has one row on the older version
  if (version !== kafkaVersions[0] && !isLong) return

  test.concurrent('one of two topics is deleted, then made again', async () => {
    await using front = await startFront(cluster())
    const gone = `gone-${crypto.randomUUID().slice(0, 8)}`
    const [first, second] = [createLedger(), createLedger()]
    const [toFirst, toSecond] = [recorded(first), recorded(second)]
    await cluster().createTopic(gone)
    const before = await createWorkload(cluster(), { topic: gone })
    before.start()
    await using run = await startRun({
      scenario: `one of two topics deleted, then made again: the other (${version})`,
      cluster: cluster(),
      client: relistenMember,
      brokers: () => front.endpoints(),
      options: { metadataMaxAge: METADATA_MAX_AGE_MS },
      beside: {
        topics: [gone],
        handle: (handed: Handed) => (handed.sequence < SECOND_LIFE ? toFirst(handed) : toSecond(handed)),
      },
    })
    await until(() => (first.handled === 0 ? 'messages of the topic that will be deleted' : undefined))
    await before.close()

    let toldMs = Number.POSITIVE_INFINITY
    await run.move(async () => {
      await cluster().deleteTopic(gone)
      const deletedAt = Date.now()
      const told = () => run.members.some(({ facts }) => facts.some(namesAsMissing))
      await until(() => (told() ? undefined : 'the deletion'), { deadlineMs: 10_000 }).then(
        () => (toldMs = Date.now() - deletedAt),
        () => {},
      )
      await pause(GONE_MS - (Date.now() - deletedAt))
    })
    let after = before
    await run.move(
      async () => {
        await cluster().createTopic(gone)
        after = await createWorkload(cluster(), { topic: gone, firstSequence: SECOND_LIFE })
        after.start()
      },
      { windowMs: form(3000, 60_000) },
    )
    await after.stop()
    const kafka = cluster().kafka()
    const missed = async () => {
      const ends = await extents(kafka, gone)
      return [...ends].reduce((sum, [one, { low, high }]) => sum + unhandled(second, one, low, high).length, 0)
    }
    await until(async () => ((await missed()) > 0 ? `${await missed()} messages` : undefined), { everyMs: 500 }).catch(
      () => {},
    )
    await after.close()
    const foreign = [...(await readLog(kafka, gone))].flatMap(([one, { low, sequences }]) =>
      second.handOuts(one).filter(({ offset, sequence }) => sequences[offset - low] !== sequence),
    )
    const figures = [
      { name: 'ms until the deletion was told', value: toldMs, most: 10_000 },
      { name: 'messages missed of the topic made again', value: await missed(), most: 0 },
      { name: 'of them twice', value: second.twice, most: 0 },
      { name: 'of them not as in the log', value: foreign.length, most: 0 },
      {
        name: 'sessions',
        value: Math.max(...run.members.map(({ told }) => told.get('session.opened') ?? 0)),
        most: 1,
      },
    ]
    expect(report(await run.finish(), { twice: 'process', rebalances: undefined, worstMs: 1000, figures })).toEqual([])

    function namesAsMissing({ type, data }: { readonly type: string; readonly data: object }): boolean {
      return type === 'topic.missing' && (data as { topic?: string }).topic === gone
    }
  })
})
