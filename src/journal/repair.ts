/** A repair: what stands behind the good part of a journal is set aside in files beside it, and the journal ends where it is good. */

import fs from 'node:fs'
import { dirname } from 'node:path'
import type { ChainEnd } from './journal.ts'
import { type Fault, type Segment, scanSegment, syncDirectory, writeAll } from './segment.ts'

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
export function checkAndRepair(all: readonly Segment[]): Checked {
  for (let from = Math.max(0, all.length - 2); ; from -= 1) {
    const { good, end, fault, at } = look(all, from)
    if (end === undefined && from > 0) continue
    if (fault === undefined || at === undefined) return { segments: good, end, repair: undefined }
    return { segments: good, end, repair: repaired(at, fault, all.slice(all.indexOf(at) + 1)) }
  }
}

interface Look {
  /** The segments that have something good, with those before them that were not looked at. */
  readonly good: readonly Segment[]
  readonly end: ChainEnd | undefined
  readonly fault?: Fault | undefined
  /** Where the fault is. */
  readonly at?: Segment
}

function look(all: readonly Segment[], from: number): Look {
  let end: ChainEnd | undefined
  for (const [index, segment] of all.entries()) {
    if (index < from) continue
    const seen = scanSegment(segment, end)
    const isEmpty = seen.records === 0
    end = seen.end
    if (seen.fault || isEmpty) {
      return { good: all.slice(0, isEmpty ? index : index + 1), end, fault: seen.fault ?? begun, at: segment }
    }
  }
  return { good: all, end }
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
  if (offset > 0) cut(at.path, offset)
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
  const descriptor = fs.openSync(to, 'wx', 0o600)
  try {
    writeAll(descriptor, fs.readFileSync(path).subarray(offset))
    fs.fsyncSync(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
  return to
}

function freeName(path: string): string {
  let name = `${path}.damaged`
  for (let number = 2; fs.existsSync(name); number += 1) name = `${path}.damaged-${number}`
  return name
}

function cut(path: string, length: number): void {
  const descriptor = fs.openSync(path, 'r+')
  try {
    fs.ftruncateSync(descriptor, length)
    fs.fsyncSync(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}
