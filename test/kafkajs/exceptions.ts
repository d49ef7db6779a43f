/** Tests that pass on stock KafkaJS and need not pass over wires, each with its reason. */

export interface Exception {
  /** From the root of KafkaJS's repository. */
  readonly file: string
  readonly title: string
  /** Why it can't pass, or what it counts on that a move takes away. */
  readonly reason: string
  /** It fails only where a move falls into a certain moment. */
  readonly whileMoving?: true
}

/** A move has broken the connection before the brokers' answer came, and KafkaJS itself would send again as well. */
const writtenTwice =
  'It counts messages exactly, and its producer is not idempotent: what is sent again may be there twice.'

const refusedLogin = (mechanism: string): Exception => ({
  file: 'src/producer/index.spec.js',
  title: `Producer throws an error if SASL ${mechanism} fails to authenticate`,
  reason: 'connect() rejects as the broker says, but relisten logs in: the text does not name the mechanism.',
})

export const exceptions: readonly Exception[] = [
  {
    file: 'src/producer/index.spec.js',
    title: 'Producer produce messages to multiple topics',
    reason: writtenTwice,
    whileMoving: true,
  },
  ...['PLAIN', 'SCRAM 256', 'SCRAM 512'].map(refusedLogin),
  {
    file: 'src/consumer/__tests__/pause.spec.js',
    title: 'Consumer when pausing pauses when pausing via the eachBatch callback',
    reason:
      'It counts on the first batches of all brokers to come within 50 ms of each other; a move delays those of one broker.',
    whileMoving: true,
  },
  {
    file: 'src/consumer/__tests__/pause.spec.js',
    title:
      'Consumer when pausing avoids calling eachMessage again for paused topics/partitions when paused via consumer.pause',
    reason: writtenTwice,
    whileMoving: true,
  },
  {
    file: 'src/consumer/__tests__/consumeMessages.spec.js',
    title: 'Consumer concurrent heartbeats are consolidated and respect heartbeatInterval',
    reason: writtenTwice,
    whileMoving: true,
  },
]
