/** A message as text: a line for people, an object for machines. */

import { isUtf8 } from 'node:buffer'
import type { EachMessagePayload } from '../options/payload.ts'

/** One line: topic and partition, offset, time, key, value, headers. */
export function lineOf({ topic, partition, message }: EachMessagePayload): string {
  const { offset, timestamp, key, value, headers = {} } = message
  const named = Object.entries(headers).map(
    ([name, content]) => `${name}=${[content ?? null].flat().map(text).join('|')}`,
  )
  return [`${topic}/${partition}`, offset, timeOf(timestamp), text(key), text(value), named.join(' ')]
    .join('  ')
    .trimEnd()
}

/** Bytes that are no text are `{ base64 }`. */
export function objectOf({ topic, partition, message }: EachMessagePayload): object {
  const { offset, timestamp, key, value, headers = {} } = message
  const listed = Object.entries(headers).map(([name, content]) => [
    name,
    Array.isArray(content) ? content.map(contentOf) : contentOf(content ?? null),
  ])
  const contents = { key: contentOf(key), value: contentOf(value), headers: Object.fromEntries(listed) }
  return { topic, partition, offset, time: timeOf(timestamp), ...contents }
}

function timeOf(timestamp: string): string {
  const time = new Date(Number(timestamp))
  return Number.isNaN(time.getTime()) ? timestamp : time.toISOString()
}

function contentOf(content: Buffer | string | null): string | { base64: string } | null {
  if (content === null || typeof content === 'string') return content
  return isUtf8(content) ? content.toString() : { base64: content.toString('base64') }
}

function text(content: Buffer | string | null): string {
  const read = contentOf(content)
  if (read === null) return 'null'
  return typeof read === 'string' ? read : `base64:${read.base64}`
}
