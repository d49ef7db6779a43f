/** The time line: the facts, newest first, with what caused each; a click shows the record. */

import { useMemo, useState } from 'preact/hooks'
import { duration } from '../src/command-line/show.ts'
import type { JournalRecord } from '../src/journal/journal.ts'
import { sentenceFor } from '../src/views/log.ts'
import { clock } from './clock.ts'
import { Scrolled } from './panel.tsx'

const atOnce = 200

interface Line {
  readonly record: JournalRecord
  readonly text: string
  /** How long the state before lasted, in milliseconds; undefined where it did not change. */
  readonly lastedMs: number | undefined
}

export function TimeLine({ records, count }: { readonly records: readonly JournalRecord[]; readonly count: number }) {
  const [words, search] = useState('')
  const [kind, choose] = useState('')
  const [shown, show] = useState(atOnce)
  const [open, toggle] = useState<number>()
  const lines = useMemo(() => linesOf(records, count), [records, records.length, count])
  const kinds = [...new Set(lines.map(({ record }) => kindOf(record)))].toSorted()
  const wanted = lines.filter(
    ({ record, text }) =>
      (kind === '' || (kind === 'change' ? isChange(record) : kindOf(record) === kind)) &&
      words
        .toLowerCase()
        .split(/\s+/)
        .every((word) => `${record.type} ${text} ${record.seq}`.toLowerCase().includes(word)),
  )
  const goTo = (seq: number) => {
    search('')
    choose('')
    show(Math.max(shown, (lines[0]?.record.seq ?? 0) - seq + atOnce))
    toggle(seq)
    requestAnimationFrame(() => requestAnimationFrame(() => document.getElementById(`fact-${seq}`)?.focus()))
  }
  return (
    <>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label>
          Show{' '}
          <select value={kind} onChange={({ currentTarget }) => choose(currentTarget.value)}>
            <option value="">all facts</option>
            <option value="change">changes of state</option>
            {kinds.map((each) => (
              <option key={each} value={each}>
                {each}.…
              </option>
            ))}
          </select>
        </label>
        <label>
          with{' '}
          <input
            type="search"
            value={words}
            placeholder="words"
            onInput={({ currentTarget }) => search(currentTarget.value)}
          />
        </label>
        <span class="quiet" role="status">
          {wanted.length} of {lines.length}
        </span>
      </form>
      <Scrolled label="Table of facts">
        <table class="facts-table">
          <thead>
            <tr>
              <th scope="col">time</th>
              <th scope="col">record</th>
              <th scope="col">fact</th>
              <th scope="col">state</th>
              <th scope="col">after</th>
              <th scope="col">cause</th>
              <th scope="col">what it says</th>
            </tr>
          </thead>
          <tbody>
            {wanted.slice(0, shown).map((line) => (
              <Row key={line.record.seq} line={line} isOpen={open === line.record.seq} toggle={toggle} goTo={goTo} />
            ))}
          </tbody>
        </table>
      </Scrolled>
      {wanted.length > shown && (
        <button type="button" onClick={() => show(shown + atOnce)}>
          Show {Math.min(atOnce, wanted.length - shown)} earlier ones
        </button>
      )}
    </>
  )
}

function Row(props: {
  readonly line: Line
  readonly isOpen: boolean
  readonly toggle: (seq: number | undefined) => void
  readonly goTo: (seq: number) => void
}) {
  const { line, isOpen, toggle, goTo } = props
  const { record, text, lastedMs } = line
  const { seq, at, type, actor, from, to, cause } = record
  return (
    <>
      <tr class={isChange(record) ? 'change' : undefined}>
        <td>{clock(at)}</td>
        <td class="number">{seq}</td>
        <td>
          <button
            type="button"
            id={`fact-${seq}`}
            class={`fact ${'failure' in record.data ? 'bad' : ''}`}
            aria-expanded={isOpen}
            onClick={() => toggle(isOpen ? undefined : seq)}
          >
            {type}
          </button>
          <span class="narrow-only">
            {isChange(record) && <strong>{`${from ?? '·'} → ${to}. `}</strong>}
            {text}
          </span>
        </td>
        <td>
          {actor !== 'consumer' && <span class="quiet">{actor} </span>}
          {isChange(record) ? `${from ?? '·'} → ${to}` : <span class="quiet">{to}</span>}
        </td>
        <td class="number">{lastedMs === undefined ? '' : duration(lastedMs)}</td>
        <td class="number">
          {cause !== null && (
            <button
              type="button"
              class="link"
              onClick={() => goTo(cause)}
              aria-label={`Record ${cause}, the cause of ${seq}`}
            >
              {cause}
            </button>
          )}
        </td>
        <td class="wrap">{text}</td>
      </tr>
      {isOpen && (
        <tr class="record">
          <td colSpan={7}>
            <pre>{JSON.stringify(record, null, 2)}</pre>
          </td>
        </tr>
      )}
    </>
  )
}

const kindOf = ({ type }: JournalRecord): string => type.split('.')[0] ?? type
const isChange = ({ from, to }: JournalRecord): boolean => from !== to && to !== null

/** Newest first. */
function linesOf(records: readonly JournalRecord[], count: number): Line[] {
  const enteredAt = new Map<string, number>()
  return records
    .slice(0, count)
    .map((record) => {
      const { actor, at, type } = record
      const since = enteredAt.get(actor)
      if (isChange(record)) enteredAt.set(actor, at)
      const lastedMs = isChange(record) && since !== undefined ? at - since : undefined
      const text = type === 'actor.started' ? `A life of the ${actor} begins` : sentenceFor(record)
      return { record, text, lastedMs }
    })
    .reverse()
}
