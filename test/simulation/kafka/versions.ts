// Which versions of each request brokers know, by their release: what ApiVersions is answered with. A request in another version ends the connection.

import { isSpoken, kafkaVersions, type VersionTable } from '../../kafka-versions.ts'
import { Bytes } from './bytes.ts'

/** Those of the table that relisten reads; the one before them it refuses. */
export type Release = Exclude<keyof typeof kafkaVersions, '2.3'>

const { '2.3': _tooOld, ...tables } = kafkaVersions

export const releases = Object.keys(tables) as Release[]

export const isKnown = (release: Release, apiKey: number, version: number): boolean =>
  isSpoken(tables[release], apiKey, version)

/** The first version of Metadata whose answer has the ids of topics (KIP-516). */
export const firstWithIds = 11

export const tellsTopicIds = (release: Release): boolean => isKnown(release, metadataKey, firstWithIds)

const unsupportedVersion = 35
const apiVersionsKey = 18
const metadataKey = 3
const ofProducers: ReadonlySet<number> = new Set([0, 22])
const firstFlexible = 3

/** The answer to ApiVersions of this version: one that the broker does not know is answered in the layout of version 0. */
export function apiVersionsAnswer(release: Release, version: number, hasProducers: boolean): Buffer {
  const table: VersionTable = tables[release].filter(([key]) => hasProducers || !ofProducers.has(key))
  if (!isKnown(release, apiVersionsKey, version)) {
    const own = table.filter(([key]) => key === apiVersionsKey)
    const answer = new Bytes().int16(unsupportedVersion)
    return answer.array(own, ([key, least, most]) => answer.int16(key).int16(least).int16(most)).taken()
  }
  const answer = new Bytes().int16(0)
  if (version < firstFlexible) {
    answer.array(table, ([key, least, most]) => answer.int16(key).int16(least).int16(most))
    return version === 0 ? answer.taken() : answer.int32(0).taken()
  }
  answer.uvarint(table.length + 1)
  for (const [key, least, most] of table) answer.int16(key).int16(least).int16(most).uvarint(0)
  return answer.int32(0).uvarint(0).taken()
}
