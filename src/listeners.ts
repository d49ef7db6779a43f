/** The listeners of a consumer: who hears of its facts, as a call or as an iterable. */

import { messageOf } from '../machines/failure.ts'
import { callError } from './error.ts'
import type { AnyRecord } from './journal/journal.ts'
import { renamed } from './journal/upcast.ts'
import { suggestion } from './options/suggestion.ts'
import { EventQueue } from './views/event-queue.ts'

type Listener = (record: AnyRecord) => unknown

export class Listeners {
  private readonly byType = new Map<string, Set<Listener>>()
  private readonly queues = new Set<EventQueue>()
  private readonly names: ReadonlySet<string>
  private readonly onThrown: (type: string, message: string) => void
  private isOver = false

  /** `names`: the types there are. `onThrown` is told of a listener that throws, or is an async function that does: it harms nobody. */
  constructor(names: ReadonlySet<string>, onThrown: (type: string, message: string) => void) {
    this.names = names
    this.onThrown = onThrown
  }

  /** Returns what takes the listener away again. Throws `invalid-call` for what is no type, and for what is no function. */
  on(type: string, listener: Listener): () => void {
    const name = renamed.get(type)
    if (name !== undefined) throw callError(`The fact \`${type}\` is called \`${name}\` now`, `listen to \`${name}\``)
    if (type !== '*' && !this.names.has(type)) throw unknownFact(type, this.names)
    if (typeof listener !== 'function')
      throw callError(
        `Expected a function as the listener of \`${type}\`, got a value of type ${typeof listener}`,
        'pass a function',
      )
    const set = this.byType.get(type) ?? new Set()
    this.byType.set(type, set.add(listener))
    return () => set.delete(listener)
  }

  /** An iterable of the facts from now on. */
  queue(): EventQueue {
    const queue = new EventQueue((ended) => this.queues.delete(ended))
    this.queues.add(queue)
    if (this.isOver) queue.end()
    return queue
  }

  tell(record: AnyRecord): void {
    for (const listener of this.byType.get(record.type) ?? []) this.call(listener, record)
    for (const listener of this.byType.get('*') ?? []) this.call(listener, record)
    for (const queue of this.queues) queue.push(record)
  }

  /** No fact comes any more. */
  end(): void {
    this.isOver = true
    for (const queue of this.queues) queue.end()
  }

  private call(listener: Listener, record: AnyRecord): void {
    const thrown = (error: unknown) => this.onThrown(record.type, messageOf(error))
    try {
      const answer = listener(record)
      if (answer instanceof Promise) answer.catch(thrown)
    } catch (error) {
      thrown(error)
    }
  }
}

function unknownFact(type: unknown, names: ReadonlySet<string>): Error {
  const near = typeof type === 'string' ? suggestion(type, [...names]) : undefined
  const next = near === undefined ? "pass the type of a fact, or '*' for all" : `listen to \`${near}\``
  return callError(`There is no fact \`${String(type)}\``, next)
}
