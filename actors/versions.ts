/** The versions of Kafka's requests that relisten speaks, and what is missing at a broker, by name. */

import { apiKeys } from './frames.ts'

/** A request relisten cannot do without, in the one version it speaks. */
export interface NeededRequest {
  readonly apiKey: number
  readonly name: string
  readonly version: number
  /** The version of Kafka that brought it. */
  readonly since: string
}

/** Brokers from 2.4 on speak all of these; 2.4 brought LeaveGroup v3. */
export const neededRequests: readonly NeededRequest[] = [
  { apiKey: apiKeys.fetch, name: 'Fetch', version: 10, since: '2.1' },
  { apiKey: apiKeys.listOffsets, name: 'ListOffsets', version: 3, since: '2.0' },
  { apiKey: apiKeys.metadata, name: 'Metadata', version: 6, since: '2.0' },
  { apiKey: apiKeys.offsetCommit, name: 'OffsetCommit', version: 5, since: '2.1' },
  { apiKey: apiKeys.offsetFetch, name: 'OffsetFetch', version: 4, since: '2.0' },
  { apiKey: apiKeys.findCoordinator, name: 'FindCoordinator', version: 2, since: '2.0' },
  { apiKey: apiKeys.joinGroup, name: 'JoinGroup', version: 5, since: '2.3' },
  { apiKey: apiKeys.heartbeat, name: 'Heartbeat', version: 3, since: '2.3' },
  { apiKey: apiKeys.leaveGroup, name: 'LeaveGroup', version: 3, since: '2.4' },
  { apiKey: apiKeys.syncGroup, name: 'SyncGroup', version: 3, since: '2.3' },
]

/** Where a broker's versions of a request begin and end, by api key. */
export type SpokenVersions = ReadonlyMap<number, { readonly least: number; readonly most: number }>

export const speaks = (spoken: SpokenVersions, apiKey: number, version: number): boolean => {
  const range = spoken.get(apiKey)
  return range !== undefined && range.least <= version && version <= range.most
}

/** What relisten needs and a broker with these versions does not speak. */
export const missingRequests = (spoken: SpokenVersions): readonly NeededRequest[] =>
  neededRequests.filter(({ apiKey, version }) => !speaks(spoken, apiKey, version))

/** A request as people call it: `LeaveGroup v3`. */
export function requestName(apiKey: number, version: number): string {
  const name = neededRequests.find((needed) => needed.apiKey === apiKey)?.name ?? `the request with api key ${apiKey}`
  return `${name} v${version}`
}
