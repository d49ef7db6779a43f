/** The time bar: goes back to an earlier record and forth again. */

import type { JournalRecord } from '../src/journal/journal.ts'
import { clock, day } from './clock.ts'
import type { Log } from './store.ts'

export function TimeBar(props: {
  readonly log: Log
  /** How many records are shown; undefined: all, also those to come. */
  readonly cursor: number | undefined
  readonly move: (cursor: number | undefined) => void
  readonly newest: JournalRecord | undefined
}) {
  const { log, cursor, move, newest } = props
  const all = log.records.length
  const count = cursor ?? all
  const to = (next: number) => move(next >= all ? undefined : Math.max(1, next))
  const text = newest ? `record ${newest.seq}, ${clock(newest.at)}, ${newest.type}` : 'no record yet'
  return (
    <fieldset class="time-bar" aria-label="Time">
      <button type="button" onClick={() => to(count - 1)} disabled={count <= 1} aria-label="One record back">
        ◂
      </button>
      <input
        type="range"
        min={1}
        max={Math.max(1, all)}
        value={count}
        aria-label="Record"
        aria-valuetext={text}
        onInput={({ currentTarget }) => to(Number(currentTarget.value))}
      />
      <button type="button" onClick={() => to(count + 1)} disabled={cursor === undefined} aria-label="One record on">
        ▸
      </button>
      <button type="button" onClick={() => move(undefined)} disabled={cursor === undefined}>
        {log.isJournal ? 'Newest' : 'Now'}
      </button>
      <output>
        {newest ? (
          <>
            <span class="quiet">{day(newest.at)}</span> {clock(newest.at)}{' '}
            <span class="quiet">
              record {newest.seq} of {log.records.at(-1)?.seq}
            </span>
          </>
        ) : (
          <span class="quiet">{text}</span>
        )}
      </output>
    </fieldset>
  )
}
