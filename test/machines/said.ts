// Short words for what brokers and sources say, and what the acceptance makes of it.

import { expect } from 'vitest'
import type { Acceptance, AcceptanceInput } from '../../machines/acceptance.ts'
import { accept, createAcceptance } from '../../machines/acceptance.ts'
import { parseEndpoint } from '../../machines/endpoint.ts'

// Places are written `node@host:port`; a host is its own address unless `addresses` says otherwise.
const endpointOf = (text: string) => parseEndpoint(text) ?? expect.unreachable(text)

export function said(
  at: number,
  by: string,
  places: string,
  { address = '', addresses = {}, clusterId = 'ours' }: Names = {},
) {
  const brokers = places.split(' ').map((place) => {
    const [nodeId = '', where = ''] = place.split('@')
    const { host, port } = endpointOf(where)
    return { nodeId: Number(nodeId), host, port, addresses: addresses[host] ?? [host] }
  })
  const answeredBy = { ...endpointOf(by), address: address || endpointOf(by).host }
  return { snapshot: { clusterId, controllerId: 1, brokers, answeredBy, at } }
}

interface Names {
  readonly address?: string
  readonly addresses?: Readonly<Record<string, readonly string[]>>
  readonly clusterId?: string
}

export const died = (at: number, endpoint: string) => ({ dead: { endpoint: endpointOf(endpoint), at } })

/** The source names these endpoints. */
export const named = (at: number, endpoints: string) => ({
  source: { endpoints: endpoints.split(' ').map(endpointOf), at },
})

/** What each input had accepted, as `node>endpoint`, and the state at the end. */
export function run(inputs: readonly AcceptanceInput[], start: Acceptance = createAcceptance()) {
  let state = start
  const moves = inputs.map((input) => {
    const step = accept(state, input)
    state = step.state
    return step.moves.map(({ nodeId, to }) => `${nodeId}>${to.host}:${to.port}`).join(' ')
  })
  const book = state.entries.map(({ nodeId, host, port }) => `${nodeId}@${host}:${port}`).join(' ')
  return { moves, book, state }
}

export const old = '1@a:1 2@b:1 3@c:1'
export const first = said(0, 'a:1', old)
export const all9 = '1@a:9 2@b:9 3@c:9'

export type Row = readonly [title: string, inputs: readonly AcceptanceInput[], moves: readonly string[]]
