/** A source that is a file: read when it is asked, and watched while somebody listens. */

import fs from 'node:fs'
import { resolve } from 'node:path'
import type { BrokerSource } from '../../actors/cluster/source.ts'
import { coalesced } from '../../actors/time/coalesced.ts'
import { sleep } from '../../actors/time/sleep.ts'
import { messageOf } from '../../machines/failure.ts'
import { expected } from '../options/value.ts'
import { parseBrokerList } from './broker-list.ts'
import { watchFile } from './file-watch.ts'

/** What is new counts once it is the same again after this time, in milliseconds: it may be half-written. */
const settleMs = 50
/** A file that was another one each of so many times is being written to without end. */
const mostLooks = 20
/** Two times it is read are at least this far apart, in milliseconds. */
const apartMs = 100
/** 64 endpoints with the longest of names are a quarter of it. */
const maxBytes = 65_536

/** What the file held, or why that is not known. Equal keys: nothing has changed. */
type Content = { readonly key: string } & ({ readonly list: readonly string[] } | { readonly why: Error })

/**
 * A source for the option `brokers`: a text file with `host:port` per line or with commas between, comments from `#` to the end of a line, or a JSON
 * list. At most 64 KiB. It is read at each poll, and watched while a consumer uses it: a change in place, a rename over it and a symlink
 * that is swapped, as in a mounted ConfigMap, are seen at once, or within 2 s where the file system announces nothing. What is new counts once it has
 * been the same for 50 ms. A file that is missing, unreadable, empty or not such a list to its end is `source.failed`, and the last good list is used on.
 * Throws `invalid-option` where the path is no path.
 */
export function fileSource(path: string): BrokerSource {
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    throw expected('path', 'of `fileSource` to be a path', path, "write `fileSource('/etc/kafka/brokers')`.")
  const file = resolve(path)
  const listeners = new Set<(list: readonly string[]) => void>()
  let known: Content | undefined
  let unwatch: (() => void) | undefined

  const look = coalesced(async () => {
    const before = known
    known = await settled(file, before)
    // Who has never asked asks anyway.
    if (before === undefined || before.key === known.key || !('list' in known)) return
    for (const listener of [...listeners]) listener(known.list)
  }, apartMs)
  return {
    async current() {
      await look()
      if (known && 'list' in known) return known.list
      throw known?.why
    },
    changes: {
      subscribe({ next }) {
        const listener = (list: readonly string[]) => next(list)
        listeners.add(listener)
        unwatch ??= watchFile(file, () => void look())
        return {
          unsubscribe() {
            listeners.delete(listener)
            if (listeners.size > 0) return
            unwatch?.()
            unwatch = undefined
          },
        }
      },
    },
  }
}

/** The file as it is: at once where that is known already, otherwise as soon as it stays what it is. */
async function settled(file: string, known: Content | undefined): Promise<Content> {
  let content = await contentOf(file)
  for (let looks = 1; content.key !== known?.key && looks < mostLooks; looks++) {
    await sleep(settleMs)
    const again = await contentOf(file)
    if (again.key === content.key) return content
    content = again
  }
  if (content.key === known?.key) return known
  return failed('it does not stay the same for 50 ms: it is being written to all the time', file)
}

async function contentOf(file: string): Promise<Content> {
  try {
    const text = await textOf(file)
    try {
      return { key: `text ${text}`, list: parseBrokerList(text) }
    } catch (error) {
      return { ...failed(messageOf(error), file), key: `text ${text}` }
    }
  } catch (error) {
    return failed(messageOf(error), file)
  }
}

const failed = (why: string, file: string): Content => {
  const named = why.includes(file) ? why : `${file}: ${why}`
  return { key: `why ${named}`, why: new Error(named) }
}

async function textOf(path: string): Promise<string> {
  // To open a named pipe would otherwise wait for somebody who writes to it.
  const file = await fs.promises.open(path, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0))
  try {
    if (!(await file.stat()).isFile()) throw new Error('it is not a file')
    const bytes = Buffer.alloc(maxBytes + 1)
    let length = 0
    for (;;) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length)
      length += bytesRead
      if (length > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`)
      if (bytesRead === 0) return bytes.toString('utf8', 0, length)
    }
  } finally {
    await file.close()
  }
}
