// A process whose consumer fails at once, with the logger it has by default.
import { createConsumer } from '../../src/lifecycle-consumer.ts'

const consumer = createConsumer({
  ...{ brokers: ['127.0.0.1:1'], groupId: 'orders', topics: ['orders'], eachMessage: async () => {} },
  ...{ retryBudget: 0, rebuildTimeoutMs: 1200, dialTimeoutMs: 100, stopTimeoutMs: 500, drainTimeoutMs: 0 },
})
const started = consumer.start()
if (process.argv[2] === 'started') await started.catch(() => {})
else {
  started.catch(() => {})
  await consumer.ended
}
