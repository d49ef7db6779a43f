// Which versions of each request brokers know, by their release: what ApiVersions is answered with. A request in another version ends the connection.

import { Bytes } from './bytes.ts'

export type Release = '2.4' | '2.8' | '3.9' | '4.4'

/** From the message definitions of each release, of the requests that consumers send: key, least, most. */
const tables: Readonly<Record<Release, readonly (readonly [key: number, least: number, most: number])[]>> = {
  '2.4': [
    ...([
      [1, 0, 11],
      [2, 0, 5],
      [3, 0, 9],
      [8, 0, 8],
      [9, 0, 6],
      [10, 0, 3],
      [11, 0, 6],
      [12, 0, 4],
    ] as const),
    ...([
      [13, 0, 4],
      [14, 0, 4],
      [17, 0, 1],
      [18, 0, 3],
      [23, 0, 3],
      [36, 0, 1],
    ] as const),
  ],
  '2.8': [
    ...([
      [1, 0, 12],
      [2, 0, 6],
      [3, 0, 11],
      [8, 0, 8],
      [9, 0, 7],
      [10, 0, 3],
      [11, 0, 7],
      [12, 0, 4],
    ] as const),
    ...([
      [13, 0, 4],
      [14, 0, 5],
      [17, 0, 1],
      [18, 0, 3],
      [23, 0, 4],
      [36, 0, 2],
    ] as const),
  ],
  '3.9': [
    ...([
      [1, 0, 17],
      [2, 0, 9],
      [3, 0, 12],
      [8, 0, 9],
      [9, 0, 9],
      [10, 0, 6],
      [11, 0, 9],
      [12, 0, 4],
    ] as const),
    ...([
      [13, 0, 5],
      [14, 0, 5],
      [17, 0, 1],
      [18, 0, 4],
      [23, 0, 4],
      [36, 0, 2],
    ] as const),
  ],
  '4.4': [
    ...([
      [1, 4, 18],
      [2, 1, 11],
      [3, 0, 13],
      [8, 2, 10],
      [9, 1, 10],
      [10, 0, 6],
      [11, 2, 9],
      [12, 0, 4],
    ] as const),
    ...([
      [13, 0, 5],
      [14, 0, 5],
      [17, 0, 1],
      [18, 0, 5],
      [23, 2, 4],
      [36, 0, 2],
    ] as const),
  ],
}

export const releases = Object.keys(tables) as Release[]

export function isKnown(release: Release, apiKey: number, version: number): boolean {
  const entry = tables[release].find(([key]) => key === apiKey)
  return entry !== undefined && version >= entry[1] && version <= entry[2]
}

const unsupportedVersion = 35
const apiVersionsKey = 18
const firstFlexible = 3

/** The answer to ApiVersions of this version: one that the broker does not know is answered in the layout of version 0. */
export function apiVersionsAnswer(release: Release, version: number): Buffer {
  const table = tables[release]
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
