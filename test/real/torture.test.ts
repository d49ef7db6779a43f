// Five minutes of the torture, half of them on each Kafka. `npm run torture` goes on for as long as one likes.
import { describe, expect, test } from 'vitest'
import { kafkaVersions } from '../cluster/kafka-jars.ts'
import { torture } from '../torture/torture.ts'
import { sharedCluster } from './harness/shared-cluster.ts'

const MINUTES = 2.5
const SEED = 5

describe.each(kafkaVersions)('on Kafka %s', (version) => {
  const cluster = sharedCluster({ version, bindFixed: true })

  test('a group of three survives moves and faults drawn from a seed, one after the other, with nothing lost', async () => {
    const said: string[] = []
    const { text, figures, holds } = await torture({
      cluster: cluster(),
      minutes: MINUTES,
      seed: SEED,
      say: (line) => said.push(line),
    })
    console.log([...(holds ? [] : said), text].join('\n'))
    expect(figures.violations).toEqual([])
    expect(holds).toBe(true)
  }, 420_000)
})
