/** A watch over a file, by its folder: a rename or a swapped symlink puts another file in its place, which a watch over the file would not see. */

import fs from 'node:fs'
import { dirname } from 'node:path'

/** The file is looked at after this time in any case, in milliseconds: not every file system tells of changes, and not those behind a symlink. */
const lookAgainMs = 2000

/**
 * Calls `look` whenever something in the file's folder may have changed, and every two seconds. A folder that can't be watched, or is away, is tried
 * again as often. Never throws, and does not keep the process alive. Returns a function that ends it.
 */
export function watchFile(path: string, look: () => void): () => void {
  const folder = dirname(path)
  let watcher: fs.FSWatcher | undefined
  /** Which folder is watched: another one may stand there by now. */
  let watched: string | undefined
  let timer: NodeJS.Timeout | undefined
  let isOver = false

  const letGo = () => {
    watcher?.close()
    watcher = undefined
    watched = undefined
  }
  const check = async () => {
    // Asked first, and not by `watch`, which would wait for a file system that hangs.
    const there = await fs.promises.stat(folder, { bigint: true }).catch(() => undefined)
    if (isOver) return
    const identity = there && `${there.dev} ${there.ino}`
    if (identity !== watched) letGo()
    try {
      if (identity !== undefined && watcher === undefined) {
        watcher = fs.watch(folder, { persistent: false }, look)
        watcher.on('error', letGo)
        watched = identity
      }
    } catch {
      // There are no more watches to be had.
    }
    timer = setTimeout(check, lookAgainMs).unref()
    look()
  }
  void check()
  return () => {
    isOver = true
    clearTimeout(timer)
    letGo()
  }
}
