/** A balancer in a process of its own, that can be killed. */
import { fileURLToPath } from 'node:url'
import { forkChild } from '../../process/child.ts'
import type { BalancerTask } from './balancer-main.ts'

export interface BalancerProcess extends AsyncDisposable {
  /** The types of its facts so far. */
  readonly facts: readonly string[]
  kill(): Promise<void>
}

type FromProcess = { readonly kind: 'up' } | { readonly kind: 'fact'; readonly type: string }

export async function startBalancerProcess(task: BalancerTask): Promise<BalancerProcess> {
  const facts: string[] = []
  const main = fileURLToPath(new URL('./balancer-main.ts', import.meta.url))
  const hear = (message: FromProcess) => {
    if (message.kind === 'fact') facts.push(message.type)
  }
  const child = forkChild<object, FromProcess>({ what: 'a balancer', main, args: [JSON.stringify(task)], hear })
  await child.up
  return { facts, kill: () => child.kill(), [Symbol.asyncDispose]: () => child.kill() }
}
