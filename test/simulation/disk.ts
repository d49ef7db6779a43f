// The simulated disk of one service: files in memory, of which a part is durable. It knows the calls of Node's file system that the journal makes.

import type { Life } from './life.ts'
import type { Random } from './random.ts'

interface File {
  content: Buffer
  /** What is there after the power went. */
  durable: Buffer
  links: number
}

interface Handle {
  readonly file: File
  readonly path: string
  readonly life: Life
  readonly isFolder: boolean
}

/** What goes wrong with the next uses of the disk. */
export interface DiskTrouble {
  /** Bytes that may still be written before the disk is full; undefined: enough. */
  roomBytes: number | undefined
  /** So many syncs fail with EIO. */
  failingSyncs: number
  /** The next write takes only a part. */
  shortWrites: number
}

const folderName = '/journal'
const firstDescriptor = 1_000_000

const error = (code: string, call: string, path = ''): Error =>
  Object.assign(new Error(`${code}: simulated, ${call} ${path}`), { code, syscall: call })

export class Disk {
  readonly trouble: DiskTrouble = { roomBytes: undefined, failingSyncs: 0, shortWrites: 0 }
  /** Called where trouble took effect. */
  onTrouble: (kind: 'full disk' | 'sync error' | 'short write') => void = () => {}
  private readonly random: Random
  private files = new Map<string, File>()
  /** Names as they are after the power went. */
  private durableNames = new Map<string, File>()
  private readonly handles = new Map<number, Handle>()
  private nextDescriptor = firstDescriptor
  private exists = false

  constructor(random: Random) {
    this.random = random
  }

  /** Descriptors a life holds. */
  openBy(life: Life): number {
    return [...this.handles.values()].filter((handle) => handle.life === life).length
  }

  /** The journal as it is on the disk now, file after file. */
  journal(): { name: string; bytes: Buffer }[] {
    return [...this.files]
      .filter(([name]) => /^\/journal\/\d{12,}\.jsonl$/.test(name))
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, { content }]) => ({ name, bytes: content }))
  }

  /** Everything that was ever written and is still there, as text. */
  text(): string {
    return [...this.files.values()].map(({ content }) => content.toString('utf8')).join('\n')
  }

  /** Whether all that was written to the journal is durable. */
  get isSynced(): boolean {
    for (const handle of this.handles.values()) {
      if (!handle.isFolder && handle.file.durable.length !== handle.file.content.length) return false
    }
    return true
  }

  /** The process is gone: its descriptors close. With the power gone too, what was not synced is lost, torn at any byte. */
  crash(life: Life, isPowerLoss: boolean): boolean {
    for (const [descriptor, handle] of this.handles) if (handle.life === life) this.handles.delete(descriptor)
    if (!isPowerLoss) return false
    let lost = false
    const files = new Map<string, File>()
    for (const [name, file] of this.durableNames) {
      const unsynced = file.content.length - file.durable.length
      const kept = unsynced > 0 ? file.durable.length + this.random.below(unsynced) : file.durable.length
      if (unsynced !== 0) lost = true
      const content = unsynced > 0 ? file.content.subarray(0, kept) : file.durable
      files.set(name, { content, durable: content, links: 1 })
    }
    if (files.size !== this.files.size) lost = true
    this.files = files
    this.durableNames = new Map(files)
    return lost
  }

  /** Flips one bit of the newest segment. False when there is nothing to flip. */
  rot(): boolean {
    const newest = this.journal().at(-1)
    const file = newest && this.files.get(newest.name)
    if (!file || file.content.length === 0) return false
    const content = Buffer.from(file.content)
    const at = this.random.below(content.length)
    content[at] = (content[at] ?? 0) ^ (1 << this.random.below(8))
    file.content = content
    file.durable = content
    return true
  }

  existsSync(path: string): boolean {
    return this.isFolder(path) ? this.exists || path !== folderName : this.files.has(path)
  }

  mkdirSync(): void {
    this.exists = true
  }

  statSync(path: string): { size: number; isDirectory(): boolean } {
    if (this.isFolder(path)) return { size: 0, isDirectory: () => true }
    return { size: this.find(path, 'stat').content.length, isDirectory: () => false }
  }

  readdirSync(): string[] {
    return [...this.files.keys()].filter((name) => name.startsWith(`${folderName}/`)).map((name) => name.slice(9))
  }

  readFileSync(path: string, encoding?: string): Buffer | string {
    const { content } = this.find(path, 'open')
    return encoding ? content.toString('utf8') : Buffer.from(content)
  }

  writeFileSync(life: Life, path: string, text: string, exclusive: boolean): void {
    life.step('write file')
    if (exclusive && this.files.has(path)) throw error('EEXIST', 'open', path)
    this.files.set(path, { content: Buffer.from(text), durable: Buffer.alloc(0), links: 1 })
    life.step('file written')
  }

  renameSync(life: Life, from: string, to: string): void {
    life.step('rename')
    this.files.set(to, this.find(from, 'rename'))
    this.files.delete(from)
    life.step('renamed')
  }

  rmSync(life: Life, path: string, force: boolean): void {
    life.step('remove')
    const file = this.files.get(path)
    if (!file && !force) throw error('ENOENT', 'unlink', path)
    if (file) file.links = 0
    this.files.delete(path)
    life.step('removed')
  }

  openSync(life: Life, path: string, flags: string): number {
    life.step('open')
    const isFolder = this.isFolder(path)
    if (flags.includes('x') && this.files.has(path)) throw error('EEXIST', 'open', path)
    if (flags.includes('x')) {
      if (this.trouble.roomBytes === 0) this.full(path)
      this.files.set(path, { content: Buffer.alloc(0), durable: Buffer.alloc(0), links: 1 })
    }
    const file = isFolder ? { content: Buffer.alloc(0), durable: Buffer.alloc(0), links: 1 } : this.find(path, 'open')
    const descriptor = ++this.nextDescriptor
    this.handles.set(descriptor, { file, path, life, isFolder })
    life.step('opened')
    return descriptor
  }

  fstatSync(descriptor: number): { size: number; nlink: number } {
    const { file } = this.handle(descriptor)
    return { size: file.content.length, nlink: file.links }
  }

  writeSync(descriptor: number, bytes: Buffer, from: number): number {
    const { file, path, life } = this.handle(descriptor)
    life.step('disk write')
    const { trouble } = this
    let count = bytes.length - from
    if (trouble.roomBytes !== undefined) {
      if (trouble.roomBytes === 0 && count > 0) this.full(path)
      count = Math.min(count, trouble.roomBytes)
      trouble.roomBytes -= count
    }
    if (trouble.shortWrites > 0 && count > 1) {
      trouble.shortWrites--
      count = 1 + this.random.below(count - 1)
      this.onTrouble('short write')
    }
    file.content = Buffer.concat([file.content, bytes.subarray(from, from + count)])
    life.step('disk written')
    return count
  }

  syncSync(descriptor: number): void {
    const { file, path, life, isFolder } = this.handle(descriptor)
    life.step('sync')
    if (this.trouble.failingSyncs > 0) {
      this.trouble.failingSyncs--
      // The kernel drops the page and calls it clean.
      file.content = file.durable
      this.onTrouble('sync error')
      throw error('EIO', 'fdatasync', path)
    }
    if (isFolder) this.durableNames = new Map(this.files)
    else file.durable = file.content
    life.step('synced')
  }

  ftruncateSync(descriptor: number, length: number): void {
    const { file, life } = this.handle(descriptor)
    life.step('truncate')
    file.content = file.content.subarray(0, length)
    life.step('truncated')
  }

  closeSync(descriptor: number): void {
    this.handle(descriptor)
    this.handles.delete(descriptor)
  }

  private full(path: string): never {
    this.onTrouble('full disk')
    throw error('ENOSPC', 'write', path)
  }

  private handle(descriptor: number): Handle {
    const handle = this.handles.get(descriptor)
    if (!handle) throw error('EBADF', 'fd')
    return handle
  }

  private find(path: string, call: string): File {
    const file = this.files.get(path)
    if (!file) throw error('ENOENT', call, path)
    return file
  }

  private isFolder(path: string): boolean {
    return path === folderName || path === '/'
  }
}
