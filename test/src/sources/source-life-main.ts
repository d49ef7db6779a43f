// A process whose consumer is stopped while its source hangs or is watched, or that leaves a file watched. Nothing here ends it.
import type { BrokerSource } from '../../../actors/cluster/source.ts'
import { createConsumer, type DnsResolver, dnsSource, fileSource } from '../../../src/index.ts'

const [how, path = ''] = process.argv.slice(2)
const never = () => new Promise<never>(() => {})
const resolver: DnsResolver = { resolve4: never, resolve6: never, resolveSrv: never } as never

if (how === 'left') {
  const { changes } = fileSource(path)
  if (changes && 'subscribe' in changes) changes.subscribe({ next: () => {}, error: () => {}, complete: () => {} })
} else await stopped(how === 'file' ? fileSource(path) : dnsSource('kafka.test:9092', { resolver }))
process.stdout.write('done')

/** By a consumer that is stopped once the source was asked and is listened to. */
async function stopped(source: BrokerSource) {
  let asked = () => {}
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve
  })
  const current = () => {
    asked()
    return source.current()
  }
  const consumer = createConsumer({
    ...{ brokers: { ...source, current }, groupId: 'orders', topics: ['orders'], eachMessage: async () => {} },
    logger: false,
  })
  const started = consumer.start()
  await isAsked
  await consumer.stop()
  await started
}
