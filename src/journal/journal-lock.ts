/** A lock on a journal's file: it keeps a second writer away, and is taken over from a process that no longer lives. */

import fs from 'node:fs'
import { journalError } from './journal.ts'

/** Who holds a lock. The process id alone would not do: after a restart of machine or container another process may have it. */
interface Holder {
  readonly pid: number
  /** The machine's boot; empty where it can't be told. */
  readonly bootId: string
  /** When the process began, in the kernel's ticks since the boot; empty where it can't be told. */
  readonly began: string
}

/**
 * Takes the lock at `path` and returns the way to release it. Throws `journal-failed` while another living process, or another journal
 * of this one, holds it. Processes must see each other's process ids: two containers on one volume are not told apart.
 */
export function lockJournal(path: string): () => void {
  const mine: Holder = { pid: process.pid, bootId: bootId(), began: beganAt(process.pid) }
  if (!created(path, mine)) {
    const holder = read(path)
    if (held.has(path) || (holder && isAlive(holder))) {
      throw journalError(`another writer holds ${path} (process ${holder?.pid ?? process.pid}).`)
    }
    clear(path, holder)
    if (!created(path, mine)) throw journalError(`another writer took ${path} at the same moment.`)
  }
  held.add(path)
  return () => {
    if (held.delete(path)) fs.rmSync(path, { force: true })
  }
}

/** Locks of this process, as a process id says nothing about two journals of one process. */
const held = new Set<string>()

function created(path: string, holder: Holder): boolean {
  try {
    fs.writeFileSync(path, JSON.stringify(holder), { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if ((error as { code?: unknown }).code === 'EEXIST') return false
    throw journalError(`the lock ${path} can't be created.`, error)
  }
}

/** Undefined when the lock is gone or was never written to its end. */
function read(path: string): Holder | undefined {
  try {
    const holder = JSON.parse(fs.readFileSync(path, 'utf8'))
    return typeof holder?.pid === 'number' ? holder : undefined
  } catch {
    return undefined
  }
}

function isAlive({ pid, bootId: boot, began }: Holder): boolean {
  if (boot !== bootId()) return false
  // Ours, and not in `held`: left by a process that had the same id before.
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    if ((error as { code?: unknown }).code !== 'EPERM') return false
  }
  return began === '' || began === beganAt(pid)
}

/** Moves a dead lock away under a name of our own, so that of two who find it only one goes on. */
function clear(path: string, seen: Holder | undefined): void {
  const away = `${path}.${process.pid}`
  try {
    fs.renameSync(path, away)
  } catch {
    // Somebody else was faster; creating the lock will show it.
    return
  }
  const moved = read(away)
  if (moved?.pid !== seen?.pid || moved?.began !== seen?.began) {
    fs.renameSync(away, path)
    throw journalError(`another writer took ${path} at the same moment.`)
  }
  fs.rmSync(away, { force: true })
}

const bootId = (): string => text('/proc/sys/kernel/random/boot_id').trim()

/** The 22nd field of the process's line; the second one, its name, may hold spaces and brackets. */
const beganAt = (pid: number): string => text(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ')[19] ?? ''

function text(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
