/** A small disk of its own, to be filled: a file system in memory, where this process may mount one. */
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

export interface SmallDisk {
  readonly folder: string
  /** Leaves no byte free. */
  fill(): void
  free(): void
  unmount(): Promise<void>
}

const SIZE = '24m'

// outlives this process by a moment, however it ends
const script = 'trap "" INT TERM HUP; cat >/dev/null; umount -l "$1"; rmdir "$1"'

/** Undefined where this process may not mount. */
export function mountSmallDisk(folder: string): SmallDisk | undefined {
  mkdirSync(folder)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE},mode=700`, 'relisten-torture', folder], {
      stdio: 'ignore',
    })
  } catch {
    rmSync(folder, { recursive: true })
    return undefined
  }
  const shell = spawn('/bin/sh', ['-c', script, 'relisten-disk', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const exited = new Promise<void>((resolve) => shell.once('close', () => resolve()))
  const ballast = join(folder, 'ballast')

  return {
    folder,
    fill() {
      const file = openSync(ballast, 'a')
      try {
        // smaller and smaller pieces, until not a byte fits
        for (const size of [65_536, 1024, 1]) {
          const piece = Buffer.alloc(size)
          while (written(file, piece) === size);
        }
      } finally {
        closeSync(file)
      }
    },
    free: () => rmSync(ballast, { force: true }),
    unmount() {
      shell.stdin.end()
      return exited
    },
  }
}

/** Bytes that went to the disk; 0 when it is full. */
function written(file: number, piece: Buffer): number {
  try {
    return writeSync(file, piece)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return 0
    throw error
  }
}
