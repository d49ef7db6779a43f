/** The leak watch: what each member's process holds at calm points, compared with what it held at its first. */
import type { Holdings } from '../process/holdings.ts'
import type { Member } from './member.ts'

export interface LeakWatch {
  note(name: string, pid: number | undefined, holdings: Holdings): void
  /** After the stop nothing but the process itself may be left. */
  atEnd(members: readonly Member[]): Promise<void>
  /** Most that any process held at a calm point, and how much its heap grew at most. */
  readonly most: Counted & { readonly heapGrowthBytes: number }
  readonly calmPoints: number
}

interface Counted {
  readonly sockets: number
  readonly timers: number
  readonly listeners: number
  readonly heapBytes: number
}

const MB = 1024 * 1024
/** Which brokers a member needs depends on its partitions: at most two links and two questions each to three brokers. */
const SOCKETS = 12
const TIMERS_MORE = 12
const LISTENERS_MORE = 120
const HEAP_GROWTH_BYTES = 25 * MB

export function createLeakWatch(violated: (sentence: string) => void): LeakWatch {
  const firsts = new Map<string, Counted>()
  const most = { sockets: 0, timers: 0, listeners: 0, heapBytes: 0, heapGrowthBytes: 0 }
  let calmPoints = 0

  return {
    note(name, pid, holdings) {
      const now = counted(holdings)
      const key = `${name} ${pid}`
      const first = firsts.get(key) ?? now
      firsts.set(key, first)
      calmPoints += 1
      for (const each of ['sockets', 'timers', 'listeners', 'heapBytes'] as const)
        most[each] = Math.max(most[each], now[each])
      most.heapGrowthBytes = Math.max(most.heapGrowthBytes, now.heapBytes - first.heapBytes)
      const bound = (what: string, value: number, allowed: number) => {
        if (value > allowed) violated(`${name} holds ${value} ${what} at a calm point, allowed ${allowed}`)
      }
      bound('sockets', now.sockets, SOCKETS)
      bound('timers', now.timers, first.timers + TIMERS_MORE)
      bound('listeners', now.listeners, first.listeners + LISTENERS_MORE)
      bound('bytes of heap', now.heapBytes, first.heapBytes + HEAP_GROWTH_BYTES)
    },
    async atEnd(members) {
      for (const member of members) {
        if (!member.alive) continue
        const { sockets } = counted(await member.measure())
        if (sockets > 0) violated(`${member.name} holds ${sockets} sockets after its stop`)
      }
    },
    most,
    get calmPoints() {
      return calmPoints
    },
  }
}

const counted = ({ active, listeners, heapBytes }: Holdings): Counted => {
  return { sockets: active.TCPSocketWrap ?? 0, timers: active.Timeout ?? 0, listeners, heapBytes }
}
