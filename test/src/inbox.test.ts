// The inbox of a consumer: order, what goes past the machine, and a journal that fails.
import { beforeEach, expect, test } from 'vitest'
import type { Fact } from '../../machines/fact.ts'
import { createInbox } from '../../src/inbox.ts'

let log: string[]
let isActive: boolean
let during: (fact: Fact) => void
beforeEach(() => {
  log = []
  isActive = true
  during = () => {}
})

const inbox = () =>
  createInbox({
    acting: new Set(['stop.requested', 'session.failed']),
    isActive: () => isActive,
    send: (fact) => {
      log.push(`machine begins ${fact.type}`)
      during(fact)
      log.push(`machine ends ${fact.type}`)
    },
    note: (fact) => {
      during(fact)
      log.push(`journal ${fact.type}`)
    },
  })

const sealed: Fact = { type: 'session.sealed', epoch: 1 }
const stop: Fact = { type: 'stop.requested' }

test('a fact on which the machine acts goes through it, any other goes straight into the journal', () => {
  const take = inbox()
  for (const fact of [sealed, stop]) take(fact)
  expect(log).toEqual(['journal session.sealed', 'machine begins stop.requested', 'machine ends stop.requested'])
})

test('facts that come while another is taken follow it in their order, whichever way they go', () => {
  const take = inbox()
  during = ({ type }) => {
    if (type !== 'stop.requested') return
    take({ type: 'session.failed', epoch: 1, failure: { kind: 'bug', message: 'made up' } })
    take(sealed)
  }
  take(stop)
  expect(log).toEqual([
    'machine begins stop.requested',
    'machine ends stop.requested',
    'machine begins session.failed',
    'machine ends session.failed',
    'journal session.sealed',
  ])
})

test('after the end nothing goes into the journal', () => {
  isActive = false
  inbox()(sealed)
  expect(log).toEqual([])
})

test('what the journal can not take is given to the machine, which fails by it', () => {
  during = ({ type }) => {
    if (type === 'session.sealed' && log.length === 0) throw new Error('no space left')
  }
  const take = inbox()
  take(sealed)
  expect(log).toEqual(['machine begins session.sealed', 'machine ends session.sealed'])
})
