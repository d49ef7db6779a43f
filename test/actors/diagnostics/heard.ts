// What is said on a diagnostics channel while a test listens there.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** The messages of this channel from now on; disposed of, it listens no more. */
export function heard<Message>(name: string): Disposable & { readonly messages: Message[] } {
  const messages: Message[] = []
  const listener = (message: unknown) => void messages.push(message as Message)
  subscribe(name, listener)
  return { messages, [Symbol.dispose]: () => unsubscribe(name, listener) }
}
