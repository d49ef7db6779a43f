/** Every kind of source as the tests of the contract use it: it can be told what the brokers are, and what is wrong with it. */
import fs from 'node:fs'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Subject } from 'rxjs'
import { vi } from 'vitest'
import type { Brokers } from '../../../actors/cluster/source.ts'
import { parseEndpoint } from '../../../machines/endpoint.ts'
import { type DnsResolver, dnsSource } from '../../../src/sources/dns-source.ts'
import { fileSource } from '../../../src/sources/file-source.ts'

/** What can be wrong with a source; `hangs` until it is told the next list. */
export type Sickness = 'throws' | 'hangs' | 'garbage' | 'nothing'

export interface SourceOnStage extends AsyncDisposable {
  /** The option. */
  readonly brokers: Brokers
  /** It is well, and these are the brokers: addresses at port 9092. */
  say(list: readonly string[]): unknown
  fall(sickness: Sickness): unknown
}

export interface Kind {
  readonly name: string
  /** What can be wrong with it. */
  readonly sicknesses: readonly Sickness[]
  make(list: readonly string[]): Promise<SourceOnStage>
}

const all: readonly Sickness[] = ['throws', 'hangs', 'garbage', 'nothing']
const garbage = ['', 'no port:', 'a b:1', '127.0.0.1:99999', 42 as unknown as string]
const sick = () => new Error('The service registry is down')

/** What a function of the user's gives; who waits for one that hangs is given the next list. */
function saying(first: readonly string[]) {
  let mood: Sickness | undefined
  let list = first
  let waiting: ((list: readonly string[]) => void)[] = []
  return {
    say(next: readonly string[]) {
      mood = undefined
      list = next
      for (const resolve of waiting) resolve(next)
      waiting = []
    },
    fall(next: Sickness) {
      mood = next
    },
    /** `nothing` and `garbage` as this kind has them. */
    async ask(nothing: readonly string[] = [], nonsense: readonly string[] = garbage): Promise<readonly string[]> {
      if (mood === 'throws') throw sick()
      if (mood === 'hangs') return new Promise((resolve) => waiting.push(resolve))
      return mood === 'garbage' ? nonsense : mood === 'nothing' ? nothing : list
    },
  }
}

const nobody = { [Symbol.asyncDispose]: async () => {} }

const list: Kind = {
  name: 'a list',
  sicknesses: ['throws', 'garbage', 'nothing'],
  async make(first) {
    const brokers = [...first]
    const become = (next: readonly string[]) => {
      brokers.length = 0
      brokers.push(...next)
    }
    const fall = (sickness: Sickness) => {
      become(sickness === 'garbage' ? garbage : [])
      const get = () => {
        throw sick()
      }
      if (sickness === 'throws') Object.defineProperty(brokers, 0, { get, configurable: true, enumerable: true })
    }
    return { brokers, say: become, fall, ...nobody }
  },
}

const call: Kind = {
  name: 'a function',
  sicknesses: all,
  async make(first) {
    const { say, fall, ask } = saying(first)
    return { brokers: () => ask(), say, fall, ...nobody }
  },
}

const observable: Kind = {
  name: 'an observable',
  sicknesses: all,
  async make(first) {
    const { say, fall, ask } = saying(first)
    const changes = new Subject<readonly string[]>()
    return {
      brokers: { current: () => ask(), changes },
      say(next) {
        say(next)
        changes.next(next)
      },
      fall,
      ...nobody,
    }
  },
}

const file: Kind = {
  name: 'fileSource',
  sicknesses: all,
  async make(first) {
    const folder = await mkdtemp(join(tmpdir(), 'relisten-contract-'))
    const path = join(folder, 'brokers')
    const { open } = fs.promises
    let goOn: (() => void) | undefined
    const say = async (text: string) => {
      await writeFile(`${path}.tmp`, text)
      await rename(`${path}.tmp`, path)
      opened.mockImplementation(open)
      goOn?.()
    }
    const written = (list: readonly string[]) => list.join('\n')
    const opened = vi.spyOn(fs.promises, 'open')
    await say(written(first))
    return {
      brokers: fileSource(path),
      say: (next) => say(written(next)),
      async fall(sickness) {
        if (sickness === 'garbage') return say('\0\uFFFD{"brokers')
        if (sickness === 'nothing') return say('')
        if (sickness === 'throws') return rm(path, { force: true })
        const held = new Promise<void>((resolve) => {
          goOn = resolve
        })
        opened.mockImplementation(async (...given) => {
          await held
          return open(...given)
        })
      },
      async [Symbol.asyncDispose]() {
        goOn?.()
        opened.mockRestore()
        await rm(folder, { recursive: true, force: true })
      },
    }
  },
}

const host: Kind = {
  name: 'dnsSource of a host',
  sicknesses: all,
  async make(first) {
    const { say, fall, ask } = saying(first)
    const addresses = async (isWanted: (address: string) => boolean) => {
      const entries = await ask([], ['nowhere at all:9092', '127.0.0.1:9:9092'])
      const hosts = entries.map((entry) => parseEndpoint(entry)?.host ?? entry)
      return hosts.filter(isWanted)
    }
    const resolver = {
      resolve4: () => addresses(isIPv4),
      resolve6: () => addresses((address) => !isIPv4(address)),
    } as unknown as DnsResolver
    const brokers = dnsSource('kafka.ns.svc:9092', {
      resolver: { ...resolver, resolveSrv: async () => [] },
      intervalMs,
    })
    return { brokers, say, fall, ...nobody }
  },
}

const srv: Kind = {
  name: 'dnsSource of an SRV record',
  sicknesses: all,
  async make(first) {
    const { say, fall, ask } = saying(first)
    const resolver = {
      resolve4: async () => [],
      resolve6: async () => [],
      async resolveSrv() {
        const entries = await ask([], ['nowhere at all:9092'])
        return entries.map((entry) => ({
          name: parseEndpoint(entry)?.host ?? entry,
          port: 9092,
          priority: 0,
          weight: 0,
        }))
      },
    } as unknown as DnsResolver
    return { brokers: dnsSource('_kafka._tcp.kafka', { resolver, intervalMs }), say, fall, ...nobody }
  },
}

const intervalMs = 100

export const kinds: readonly Kind[] = [list, call, observable, file, host, srv]
