/** A repair: what stands behind the good part of a journal is set aside in files beside it, and the journal ends where it is good. */

import fs from 'node:fs'
import { dirname } from 'node:path'
import type { ChainEnd } from './journal.ts'
import { durably, type Fault, type Segment, scanSegment, syncDirectory, writeAll } from './segment.ts'

/** What was not good when a journal was opened. JSON, as it is recorded. */
export interface Repair {
  /** The segment, the line in it, and what is wrong there. */
  readonly file: string
  readonly line: number
  readonly reason: string
  /** Bytes of a last line that was not written to its end: cut off, its record never counted as appended. 0 where it was damage. */
  readonly cutBytes: number
  /** Files that now hold what was damaged and all that came after it. Nothing deletes them. Empty for a line that was cut off. */
  readonly setAside: readonly string[]
}

/** A journal's files after they were looked at. */
export interface Checked {
  readonly segments: readonly Segment[]
  /** The newest record that is good; undefined in a journal without records. */
  readonly end: ChainEnd | undefined
  readonly repair: Repair | undefined
}

/**
 * Checks the newest two segments, and more of them where these hold nothing good, and repairs what is not good. The older ones are
 * checked when they are read. A repair that is interrupted is found and done by the next one.
 */
export function checkAndRepair(all: readonly Segment[], from = Math.max(0, all.length - 2)): Checked {
  let end: ChainEnd | undefined
  for (const [index, segment] of all.entries()) {
    if (index < from) continue
    const seen = scanSegment(segment, end)
    const isEmpty = seen.records === 0
    end = seen.end
    if (!seen.fault && !isEmpty) continue
    if (end === undefined && from > 0) return checkAndRepair(all, from - 1)
    const repair = repaired(segment, seen.fault ?? begun, all.slice(index + 1))
    return { segments: all.slice(0, isEmpty ? index : index + 1), end, repair }
  }
  return { segments: all, end, repair: undefined }
}

/** A process that dies while it begins a segment leaves it without a line. */
const begun: Fault = { line: 1, offset: 0, reason: 'it was not written to its end', isTorn: true }

function repaired(at: Segment, { line, offset, reason, isTorn }: Fault, later: readonly Segment[]): Repair {
  const setAside: string[] = []
  const onlyCut = isTorn && later.length === 0
  const cutBytes = onlyCut ? fs.statSync(at.path).size - offset : 0
  if (!onlyCut) {
    for (const { path } of later.toReversed()) setAside.unshift(moveAside(path))
    setAside.unshift(offset === 0 ? moveAside(at.path) : copyAside(at.path, offset))
    syncDirectory(dirname(at.path))
  }
  if (offset > 0) durably(at.path, 'r+', (descriptor) => fs.ftruncateSync(descriptor, offset))
  else if (onlyCut) fs.rmSync(at.path)
  syncDirectory(dirname(at.path))
  return { file: at.path, line, reason, cutBytes, setAside }
}

function moveAside(path: string): string {
  const to = freeName(path)
  fs.renameSync(path, to)
  return to
}

function copyAside(path: string, offset: number): string {
  const to = freeName(path)
  durably(to, 'wx', (descriptor) => writeAll(descriptor, fs.readFileSync(path).subarray(offset)))
  return to
}

function freeName(path: string): string {
  let name = `${path}.damaged`
  for (let number = 2; fs.existsSync(name); number += 1) name = `${path}.damaged-${number}`
  return name
}
