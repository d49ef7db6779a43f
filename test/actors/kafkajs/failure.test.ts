// Whatever a call of KafkaJS's is rejected with is a failure.
import { expect, test } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { fromKafkaJs } from '../../../actors/kafkajs/failure.ts'

const circular = new Error('in a circle')
circular.cause = circular

test.each<[string, unknown, object]>([
  ['undefined', undefined, { message: 'undefined', code: 'unknown' }],
  ['a text', 'no', { message: 'no', code: 'unknown' }],
  ['an object without a prototype', Object.create(null), { message: 'something that cannot be read' }],
  ['an error that is its own cause', circular, { message: 'in a circle', code: 'Error' }],
  ['a cause below', new Error('above', { cause: new TypeError('below') }), { message: 'below', code: 'TypeError' }],
  ['a failure of ours', new ConnectionError({ kind: 'unproven', message: 'ours' }), { kind: 'unproven' }],
])('an error that is %s is read as a failure', (_what, thrown, failure) => {
  expect(fromKafkaJs(thrown)).toMatchObject(failure)
})
