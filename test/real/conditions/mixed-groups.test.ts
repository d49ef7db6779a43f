// Groups of members that are not alike: stock KafkaJS beside relisten, and an older relisten beside this one.
import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { type Front, startFront } from '../../cluster/front.ts'
import { setAfter } from '../harness/address-sets.ts'
import { form, isLong } from '../harness/form.ts'
import type { Client, Member } from '../harness/member.ts'
import { startMemberProcess } from '../harness/member-process.ts'
import { relistenMember } from '../harness/relisten-member.ts'
import { report } from '../harness/report.ts'
import { type Run, startRun } from '../harness/run.ts'
import { sharedCluster } from '../harness/shared-cluster.ts'
import { stockMember } from '../harness/stock-member.ts'
import { until } from '../harness/until.ts'

/** The first version that was given to others. */
const FIRST_VERSION = '30012d7'
const ROUNDS = form(2, 10)

const cluster = sharedCluster({ bindFixed: true })

test.concurrent('one stock member and two of relisten, then three of relisten, with moves between', async () => {
  await using front = await startFront(cluster())
  let made = 0
  // over a listener that never moves: what stock does at a move is known, and is not what this is about
  const stock: Client = (task) => stockMember({ ...task, brokers: [...cluster().internal] })
  await using run = await startRun<Member>({
    scenario: 'one stock member and two of relisten, then three of relisten',
    cluster: cluster(),
    client: (task) => {
      made += 1
      return made === 1 ? stock(task) : relistenMember(task)
    },
    brokers: () => front.endpoints(),
  })
  await changeOver(run, front)
})

test.concurrent(`a member of ${FIRST_VERSION} beside new ones, then new ones only, with moves between`, async () => {
  const root = await checkOut(FIRST_VERSION)
  try {
    await using front = await startFront(cluster())
    await using process = await startMemberProcess(root)
    let made = 0
    await using run = await startRun<Member>({
      scenario: `a member of ${FIRST_VERSION} beside new ones, then new ones only`,
      cluster: cluster(),
      client: (task) => {
        made += 1
        return made === 1 ? process.member(task) : relistenMember(task)
      },
      brokers: () => front.endpoints(),
    })
    await changeOver(run, front)
  } finally {
    await rm(root, { recursive: true })
  }
})

/** Moves, the first member's end, a new third one, and moves again. */
async function changeOver(run: Run, front: Front): Promise<void> {
  const [first] = run.members as [Member, ...Member[]]
  const admin = cluster().kafka().admin()
  await admin.connect()
  const protocols = new Set<string>()
  const look = async () => {
    const { groups } = await admin.describeGroups([run.groupId])
    for (const { protocol, state } of groups) if (state === 'Stable') protocols.add(protocol)
  }
  const moves = async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      await run.move(() => front.move(setAfter(front), { close: round % 2 === 0 ? 'fin' : 'rst' }))
      await look()
    }
  }
  await moves()
  await run.move(
    async () => {
      await first.stop()
      const third = run.add()
      await third.start()
      await until(() => (third.partitions().length === 0 ? 'partitions of the third member' : undefined))
    },
    { windowMs: 4000 },
  )
  await moves()
  await admin.disconnect()

  const repeated = run.workload.partitions.flatMap((partition) => {
    const handOuts = run.ledger.handOuts(partition)
    return handOuts.filter(({ offset }, index) => {
      const before = handOuts.slice(0, index).find((earlier) => earlier.offset === offset)
      // the first member's are what it had not committed when it left
      return before !== undefined && before.member !== first.name
    })
  })
  const figures = [
    { name: 'group protocols', value: protocols.size, most: 1 },
    { name: 'repeated though a new member had handled it', value: repeated.length, most: 0 },
  ]
  const steadyMs = isLong ? 2000 : 1000
  expect(report(await run.finish(), { twice: 'none', rebalances: undefined, steadyMs, figures })).toEqual([])
}

/** The sources of an older version in a folder of their own, with the packages of this one. */
async function checkOut(version: string): Promise<string> {
  const here = fileURLToPath(new URL('../../..', import.meta.url))
  const folder = await mkdtemp(join(tmpdir(), 'relisten-version-'))
  const archive = join(folder, 'version.tar')
  await promisify(execFile)('git', ['archive', '--output', archive, version], { cwd: here }).catch((error: Error) => {
    throw new Error(
      `${version} is not in the history of this checkout; a shallow one lacks it: git fetch --unshallow`,
      {
        cause: error,
      },
    )
  })
  await promisify(execFile)('tar', ['-xf', archive, '-C', folder])
  await symlink(join(here, 'node_modules'), join(folder, 'node_modules'))
  return folder
}
