// What the user wrote, as a place in a topic.
import { expect, test } from 'vitest'
import { type Place, parsePlace } from '../../../src/tail/range.ts'

const now = Date.UTC(2026, 10, 26, 12)

test.each<[string, Place | undefined]>([
  ['beginning', { kind: 'beginning' }],
  ['earliest', { kind: 'beginning' }],
  ['end', { kind: 'end' }],
  ['now', { kind: 'end' }],
  ['42', { kind: 'offset', offset: 42n }],
  ['-10', { kind: 'last', messages: 10n }],
  ['15m', { kind: 'time', at: now - 900_000 }],
  ['2d', { kind: 'time', at: now - 172_800_000 }],
  ['2026-11-26T11:00Z', { kind: 'time', at: now - 3_600_000 }],
  ['yesterday', undefined],
  ['', undefined],
  ['4x', undefined],
])('%j is read as what it means', (text, place) => {
  expect(parsePlace(text, now)).toEqual(place)
})
