// The policies of a handler that fails: they decide, can not decide, or store the message elsewhere first.

import { deadLetter } from '../../src/dead-letter.ts'
import type { ConsumerOptions } from '../../src/options/consumer-options.ts'
import type { Clock } from './clock.ts'
import type { Life } from './life.ts'
import type { Random } from './random.ts'
import type { Sighting } from './sighting.ts'

export const policyKinds = ['retries', 'is undecided', 'stores dead letters'] as const

export type PolicyKind = (typeof policyKinds)[number]

/** What it needs of the world around it. */
interface Around {
  readonly clock: Clock
  readonly random: Random
  /** No fault begins any more. */
  readonly isCalm: boolean
  /** Whether a partition holds this at an offset, or once did. */
  holds(partition: number, offset: number, content: string): 'current' | 'former' | undefined
  see(sighting: Sighting): void
  reached(kind: string): void
}

type NumberOf = (topic: string, partition: number) => number

export function policyOf(
  world: Around,
  life: Life,
  kind: PolicyKind,
  numberOf: NumberOf,
): Pick<ConsumerOptions, 'onHandlerError' | 'handlerRetries'> {
  const { random } = world
  if (kind === 'retries') {
    const onHandlerError: ConsumerOptions['onHandlerError'] = ({ topic, partition }) => {
      world.reached('policies decide')
      world.see({ type: 'retried', life: life.name, partition: numberOf(topic, partition) })
      return 'retry'
    }
    return { handlerRetries: random.below(3), onHandlerError }
  }
  if (kind === 'is undecided') {
    const onHandlerError: ConsumerOptions['onHandlerError'] = async ({ topic, partition }) => {
      world.reached('policies decide')
      const isDecided = world.isCalm || random.chance(0.4)
      world.see({ type: isDecided ? 'retried' : 'undecided', life: life.name, partition: numberOf(topic, partition) })
      if (isDecided) return 'retry'
      if (random.chance(0.5)) throw new Error('no policy either')
      return undefined as never
    }
    return { handlerRetries: random.below(3), onHandlerError }
  }
  const producer = { send: (record: Parameters<DeadLetterSend>[0]) => send(world, life, numberOf, record) }
  return { onHandlerError: deadLetter({ producer, topic: 'orders.dead', maxAttempts: random.between(1, 3) }) }
}

type DeadLetterSend = Parameters<typeof deadLetter>[0]['producer']['send']

/** The topic for dead letters has a message once that is acknowledged, which counts as if it had been handled; it may have one that was not. */
function send(
  world: Around,
  life: Life,
  numberOf: NumberOf,
  { messages: [letter] }: Parameters<DeadLetterSend>[0],
): Promise<void> {
  if (!letter) throw new Error('A dead letter without a message')
  const { key, value, headers = {} } = letter
  const partition = numberOf(String(headers['relisten-original-topic']), Number(headers['relisten-original-partition']))
  const offset = Number(headers['relisten-original-offset'])
  const about = { life: life.name, partition }
  world.see({ type: 'asked', ...about })
  return new Promise((resolve, reject) => {
    world.clock.plan(world.random.pick([0, 20, 300]), () => {
      world.clock.current = life
      if (!life.alive) return
      world.reached('policies decide')
      if (!world.isCalm && world.random.chance(0.4)) {
        world.see({ type: 'undecided', ...about })
        reject(new Error('the topic for dead letters is away'))
        return
      }
      const isCurrent = world.holds(partition, offset, `${key}=${value}`) === 'current'
      world.see({ type: 'handled', ...about, offset, isCurrent })
      resolve()
    })
  })
}
