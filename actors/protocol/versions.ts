/** The versions of Kafka's requests that relisten speaks, and what is missing at a broker, by name. */

import type { FetchVersion } from './fetch-answers.ts'
import { apiKeys, errorCodes, FrameReader, FrameWriter } from './frames.ts'

/** The requests relisten can't do without, the one version of each that it speaks, and the Kafka that brought it. 2.4 and later have all. */
const neededRequests = [
  { apiKey: apiKeys.fetch, name: 'Fetch', version: 10, since: '2.1' },
  { apiKey: apiKeys.listOffsets, name: 'ListOffsets', version: 4, since: '2.1' },
  { apiKey: apiKeys.metadata, name: 'Metadata', version: 6, since: '2.0' },
  { apiKey: apiKeys.offsetCommit, name: 'OffsetCommit', version: 5, since: '2.1' },
  { apiKey: apiKeys.offsetFetch, name: 'OffsetFetch', version: 4, since: '2.0' },
  { apiKey: apiKeys.findCoordinator, name: 'FindCoordinator', version: 2, since: '2.0' },
  { apiKey: apiKeys.joinGroup, name: 'JoinGroup', version: 5, since: '2.3' },
  { apiKey: apiKeys.heartbeat, name: 'Heartbeat', version: 3, since: '2.3' },
  { apiKey: apiKeys.leaveGroup, name: 'LeaveGroup', version: 3, since: '2.4' },
  { apiKey: apiKeys.syncGroup, name: 'SyncGroup', version: 3, since: '2.3' },
]

/** The first and the last version of each request that a broker speaks, by api key. */
export type SpokenVersions = ReadonlyMap<number, { readonly least: number; readonly most: number }>

/** The body of an answer to ApiVersions, version 0 to 2; a broker that does not know the version it was asked in answers in version 0. */
export function readApiVersions(body: Buffer): SpokenVersions {
  const reader = new FrameReader(body, 0)
  reader.int16() // error: what comes with one is a part of the truth or nothing
  const spoken = new Map<number, { least: number; most: number }>()
  reader.array(() => {
    spoken.set(reader.int16(), { least: reader.int16(), most: reader.int16() })
  })
  return spoken
}

export const speaks = (spoken: SpokenVersions, apiKey: number, version: number): boolean => {
  const range = spoken.get(apiKey)
  return range !== undefined && range.least <= version && version <= range.most
}

/** Says what is missing and which Kafka has it; undefined when nothing is. `promised`: what clients of KafkaJS were told that all brokers speak. */
export function versionFlaw(spoken: SpokenVersions, promised: SpokenVersions = new Map()): string | undefined {
  const has = (apiKey: number): string => {
    const range = spoken.get(apiKey)
    return range ? `this broker has v${range.least} to v${range.most}` : 'this broker has none'
  }
  const missing = neededRequests.filter(({ apiKey, version }) => !speaks(spoken, apiKey, version))
  const told = missing.map(({ apiKey, name, version, since }) => {
    return `${name} v${version} came with Kafka ${since}, ${has(apiKey)}`
  })
  for (const [apiKey, { most }] of promised) {
    if (speaks(spoken, apiKey, most) || missing.some((each) => each.apiKey === apiKey)) continue
    told.push(`KafkaJS was told of ${requestName(apiKey, most)}, as the other brokers have it, and ${has(apiKey)}`)
  }
  return told.length === 0 ? undefined : `It does not speak what is needed: ${told.join('; ')}`
}

/** What all of these brokers speak of what KafkaJS does. Where relisten reads a request, the one version that it knows. */
export function commonVersions(kafkaJs: SpokenVersions, brokers: readonly SpokenVersions[]): SpokenVersions {
  const common = new Map<number, { least: number; most: number }>()
  for (const [apiKey, own] of kafkaJs) {
    const ranges = brokers.map((spoken) => spoken.get(apiKey))
    const least = Math.max(own.least, ...ranges.map((range) => range?.least ?? Number.POSITIVE_INFINITY))
    const most = Math.min(own.most, ...ranges.map((range) => range?.most ?? Number.NEGATIVE_INFINITY))
    if (least <= most) common.set(apiKey, { least, most })
  }
  return common
}

/** An answer to ApiVersions (version 1 or 2) that names these. */
export function spokenAnswer(spoken: SpokenVersions, errorCode: number = errorCodes.none): FrameWriter {
  const answer = new FrameWriter().int16(errorCode).int32(spoken.size)
  for (const [apiKey, { least, most }] of spoken) answer.int16(apiKey).int16(least).int16(most)
  return answer.int32(0)
}

/** A request as people call it: `LeaveGroup v3`. */
export function requestName(apiKey: number, version: number): string {
  const name = neededRequests.find((needed) => needed.apiKey === apiKey)?.name ?? `the request with api key ${apiKey}`
  return `${name} v${version}`
}

/** Tells KafkaJS one version of each request that it may send: what is needed, but ListOffsets 3, as it does not know version 4. */
export function apiVersionsAnswer(fetchVersion: FetchVersion): FrameWriter {
  const own: Readonly<Record<number, number>> = { [apiKeys.fetch]: fetchVersion, [apiKeys.listOffsets]: 3 }
  const needed = neededRequests.map(({ apiKey, version }) => [apiKey, own[apiKey] ?? version] as const)
  const told = [...needed, [apiKeys.apiVersions, 2] as const]
  return spokenAnswer(new Map(told.map(([apiKey, version]) => [apiKey, { least: version, most: version }])))
}
