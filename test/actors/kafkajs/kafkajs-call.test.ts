// Calls of KafkaJS's: whatever they are rejected with is a failure, by the deadline at the latest.
import { expect, test } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { within } from '../../../actors/kafkajs/kafkajs-call.ts'

const circular = new Error('in a circle')
circular.cause = circular

test.each<[string, unknown, object]>([
  ['undefined', undefined, { message: 'undefined', code: 'unknown' }],
  ['a text', 'no', { message: 'no', code: 'unknown' }],
  ['an object without a prototype', Object.create(null), { message: 'something that cannot be read' }],
  ['an error that is its own cause', circular, { message: 'in a circle', code: 'Error' }],
  ['a cause below', new Error('above', { cause: new TypeError('below') }), { message: 'below', code: 'TypeError' }],
  ['a failure of ours', new ConnectionError({ kind: 'unproven', message: 'ours' }), { kind: 'unproven' }],
])('a call that is rejected with %s fails at once', async (_what, thrown, failure) => {
  await expect(within(Promise.reject(thrown), 60_000, 'It did not end')).rejects.toMatchObject({
    name: 'ConnectionError',
    failure,
  })
})
