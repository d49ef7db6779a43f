// A service that knows nothing of the inspector: only its environment asks for it.
import { createConsumer } from '../../src/index.ts'
import { obey } from '../process/parent.ts'

const consumer = createConsumer({
  ...{ brokers: ['127.0.0.1:1'], groupId: 'of-a-service', topics: ['orders'], logger: false },
  eachMessage: async () => {},
})
consumer.start().catch(() => {})
obey(() => {})
