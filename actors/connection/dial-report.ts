/** A dial that tells its diagnostics channel what became of it. */

import { formatEndpoint } from '../../machines/endpoint.ts'
import { type DialMessage, dialChannel } from '../diagnostics/channels.ts'
import type { Dial } from './dial.ts'
import { fromDial } from './dial-failure.ts'
import type { DialStep } from './dial-step.ts'

/** The same dial, told of on `relisten:dial` while somebody listens there. */
export const reported =
  (dial: Dial): Dial =>
  async (endpoint, options = {}) => {
    if (!dialChannel.hasSubscribers) return dial(endpoint, options)
    const startedAt = performance.now()
    const steps: { step: DialStep; tookMs: number }[] = []
    let since = startedAt
    const pass = (): void => {
      const now = performance.now()
      const step = steps.at(-1)
      if (step) step.tookMs += now - since
      since = now
    }
    const onHeard = (step: DialStep): void => {
      pass()
      if (steps.at(-1)?.step !== step) steps.push({ step, tookMs: 0 })
      options.onHeard?.(step)
    }
    const over = (failure: DialMessage['failure']): void => {
      pass()
      const { nodeId, reason } = options
      const tookMs = performance.now() - startedAt
      dialChannel.publish({ endpoint: formatEndpoint(endpoint), nodeId, reason, tookMs, steps, failure })
    }
    try {
      const connection = await dial(endpoint, { ...options, onHeard })
      over(undefined)
      return connection
    } catch (error) {
      over(fromDial(error, endpoint))
      throw error
    }
  }
