/** Counts what a process dials: an `allowEndpoint` that allows everything. Members that are to share a poller get the same one. */
import type { ConsumerOptions } from '../../../src/index.ts'
import type { Stretch } from './silence.ts'

export interface DialCount {
  readonly allowEndpoint: NonNullable<ConsumerOptions['allowEndpoint']>
  /** Dials in a stretch, to this endpoint or to any. */
  within(stretch: Stretch, endpoint?: string): number
}

export function countDials(): DialCount {
  const dials: { readonly at: number; readonly endpoint: string }[] = []
  return {
    allowEndpoint({ host, port }) {
      dials.push({ at: Date.now(), endpoint: `${host}:${port}` })
      return true
    },
    within: ({ from, to }, endpoint) =>
      dials.filter((dial) => dial.at >= from && dial.at <= to && (endpoint ?? dial.endpoint) === dial.endpoint).length,
  }
}
