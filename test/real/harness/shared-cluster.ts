/** One cluster for all scenarios of a file or group of tests: started before the first, ended after the last, which prints the report. */
import { afterAll, beforeAll } from 'vitest'
import { type ClusterOptions, type KafkaCluster, startCluster } from '../../cluster/kafka-cluster.ts'
import { printReport } from './report.ts'

export function sharedCluster(options: ClusterOptions): () => KafkaCluster {
  let cluster: KafkaCluster | undefined
  beforeAll(async () => {
    cluster = await startCluster(options)
  })
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]()
    printReport()
  })
  return () => {
    if (cluster === undefined) throw new Error('The cluster of this group of tests has not started')
    return cluster
  }
}
