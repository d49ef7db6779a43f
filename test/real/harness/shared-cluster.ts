/**
 * One cluster for all scenarios of a file or group of tests. The one most of them use, Kafka 4.4.0 behind a front, serves
 * every file of the run and ends with the process; the others end with their group. Either way the group prints its report.
 */
import { afterAll, beforeAll } from 'vitest'
import { type ClusterOptions, type KafkaCluster, startCluster } from '../../cluster/kafka-cluster.ts'
import { printReport } from './report.ts'

let everyday: Promise<KafkaCluster> | undefined

export function sharedCluster(options: ClusterOptions): () => KafkaCluster {
  let cluster: KafkaCluster | undefined
  const isEveryday = JSON.stringify({ version: '4.4.0', ...options }) === everydayOptions
  beforeAll(async () => {
    if (isEveryday) everyday ??= startCluster(options)
    cluster = await (isEveryday && everyday ? everyday : startCluster(options))
  })
  afterAll(async () => {
    if (!isEveryday) await cluster?.[Symbol.asyncDispose]()
    printReport()
  })
  return () => {
    if (cluster === undefined) throw new Error('The cluster of this group of tests has not started')
    return cluster
  }
}

const everydayOptions = JSON.stringify({ version: '4.4.0', bindFixed: true })
