/** The attributes of measurements and spans, of bounded number. */

import type { Attributes } from '@opentelemetry/api'

/** OpenTelemetry's word for a value that is left out, as there are too many. */
const other = '_OTHER'

/** Values of one attribute that are told apart; any further one counts as `_OTHER`. */
const mostValues = 200

const seen = new Map<string, Set<string>>()

/** The value, or `_OTHER` once so many others of this attribute were seen. */
export function bounded(attribute: string, value: string): string {
  const known = seen.get(attribute) ?? new Set()
  seen.set(attribute, known)
  if (known.size < mostValues) known.add(value)
  return known.has(value) ? value : other
}

export const system = { 'messaging.system': 'kafka' } as const

export const ofGroup = (groupId: string): Attributes => ({
  ...system,
  'messaging.consumer.group.name': bounded('messaging.consumer.group.name', groupId),
})

export const ofTopic = (topic: string): Attributes => ({
  'messaging.destination.name': bounded('messaging.destination.name', topic),
})

/** `error.type` of what was thrown: the name of its class; nothing where nothing was. */
export const ofError = (error: unknown): Attributes =>
  error === undefined ? {} : { 'error.type': bounded('error.type', error instanceof Error ? error.name : typeof error) }
