// What holds of producers: what was acknowledged is in the log, once or as often as is told, in order, and nobody waits for longer than was said.

import type { SightingOf } from '../sighting.ts'
import { leavesNothing, nothingEscapes } from './liveness.ts'
import { type Oracle, Table } from './oracle.ts'
import { onlyOurCluster } from './security.ts'

type Offer = SightingOf<'offered'>

/** What is under way, by request and partition. */
class Offers {
  private readonly open = new Map<string, Offer>()

  note(offer: Offer): void {
    this.open.set(`${offer.request} ${offer.partition}`, offer)
  }

  /** What was offered and is now settled. */
  take({ request, partition }: SightingOf<'settled'>): Offer | undefined {
    const key = `${request} ${partition}`
    const offer = this.open.get(key)
    this.open.delete(key)
    return offer
  }

  [Symbol.iterator](): IterableIterator<Offer> {
    return this.open.values()
  }
}

/** P1: what is acknowledged is in the log, at the offset that is told. */
function acknowledgedIsWritten(): Oracle {
  const places = new Map<string, string[]>()
  const offers = new Offers()
  return {
    id: 'P1',
    see(sighting) {
      if (sighting.type === 'offered') offers.note(sighting)
      if (sighting.type === 'stored') {
        const { partition, offset, ids } = sighting
        for (const [index, id] of ids.entries())
          places.set(id, [...(places.get(id) ?? []), `${partition} ${offset + index}`])
      }
      if (sighting.type === 'send-ended' && sighting.isAcknowledged) {
        const missing = sighting.ids.filter((id) => !places.has(id))
        if (missing.length > 0) return `${missing.join(', ')} is acknowledged and not in the log`
      }
      if (sighting.type !== 'settled') return undefined
      const offer = offers.take(sighting)
      if (!offer)
        return `request ${sighting.request} is answered for partition ${sighting.partition} that it does not have open`
      if (sighting.code !== 0) return undefined
      const wrong = offer.ids.find(
        (id, index) => places.get(id)?.includes(`${sighting.partition} ${sighting.offset + index}`) !== true,
      )
      return wrong && `${wrong} is acknowledged at ${sighting.offset} of ${sighting.partition}, and is not there`
    },
  }
}

/** P2: what an idempotent producer sends is in the log once; of a plain one no more batches are there twice than is told. */
function twiceIsTold(): Oracle {
  const idempotent = new Set<string>()
  const stored = new Set<string>()
  let twice = 0
  return {
    id: 'P2',
    see(sighting) {
      if (sighting.type === 'offered' && sighting.isIdempotent) for (const id of sighting.ids) idempotent.add(id)
      if (sighting.type === 'stored') {
        const again = sighting.ids.filter((id) => stored.has(id))
        for (const id of sighting.ids) stored.add(id)
        const wrong = again.find((id) => idempotent.has(id))
        if (wrong !== undefined) return `${wrong} of an idempotent producer is in the log twice`
        if (again.length > 0) twice++
      }
      if (sighting.type !== 'produced' || twice <= sighting.repeated) return undefined
      return `${twice} batches are in the log twice, and ${sighting.repeated} are told`
    },
  }
}

/** P3: what one producer has acknowledged of a partition stands in the log in the order in which it was sent. */
function sentOrderHolds(): Oracle {
  const offers = new Offers()
  const first = new Map<string, number>()
  const written = new Map<string, { readonly request: number; readonly offset: number; readonly id: string }[]>()
  return {
    id: 'P3',
    see(sighting) {
      if (sighting.type === 'offered') offers.note(sighting)
      if (sighting.type === 'stored') {
        for (const [index, id] of sighting.ids.entries()) if (!first.has(id)) first.set(id, sighting.offset + index)
      }
      if (sighting.type !== 'settled') return undefined
      const offer = offers.take(sighting)
      const [id] = offer?.ids ?? []
      const offset = id === undefined ? undefined : first.get(id)
      if (!offer || id === undefined || sighting.code !== 0 || offset === undefined) return undefined
      const key = `${offer.producer} ${offer.partition}`
      const others = written.get(key) ?? []
      written.set(key, [...others, { request: offer.request, offset, id }])
      const wrong = others.find((other) => other.request < offer.request !== other.offset < offset)
      return (
        wrong &&
        `${id} is at ${offset} of partition ${offer.partition}, and ${wrong.id} at ${wrong.offset}: they were sent in the other order`
      )
    },
  }
}

/** With this code KafkaJS is told of an outcome that nobody knows, unless it was told before that nothing is written. */
const unknownOutcome = -1

/** P4: what is told as not written is not in the log, and does not come there. */
function deniedIsAbsent(): Oracle {
  const offers = new Offers()
  const stored = new Set<string>()
  const denied = new Set<string>()
  /** Of each partition, whether what was given up is said to be unwritten, as far as KafkaJS has not been told. */
  const said = new Table<boolean[]>(() => [])
  return {
    id: 'P4',
    see(sighting) {
      if (sighting.type === 'offered') offers.note(sighting)
      if (sighting.type === 'given-up')
        for (const partition of sighting.partitions) said.of(partition).push(sighting.unwritten.includes(partition))
      if (sighting.type === 'stored') {
        for (const id of sighting.ids) stored.add(id)
        const wrong = sighting.ids.find((id) => denied.has(id))
        return wrong && `${wrong} is written to ${sighting.partition} after its producer was told that it is not`
      }
      if (sighting.type !== 'settled') return undefined
      const offer = offers.take(sighting)
      const isDenied = sighting.code !== unknownOutcome || said.of(sighting.partition).shift()
      if (!offer || sighting.code === 0 || !isDenied) return undefined
      for (const id of offer.ids) denied.add(id)
      const wrong = offer.ids.find((id) => stored.has(id))
      return wrong && `${wrong} is in the log, and its producer is told error ${sighting.code}, that it is not`
    },
  }
}

/** P5: KafkaJS never has a reason to send a message again. */
function neverAgain(): Oracle {
  const offered = new Set<string>()
  return {
    id: 'P5',
    see(sighting) {
      if (sighting.type === 'offered') {
        const again = sighting.ids.find((id) => offered.has(id))
        if (again !== undefined) return `KafkaJS sends ${again} again`
        for (const id of sighting.ids) offered.add(id)
      }
      if (sighting.type !== 'send-ended' || sighting.isAcknowledged || !sighting.isRetriable) return undefined
      const sent = sighting.ids.find((id) => offered.has(id))
      return sent && `${sent} was rejected with an error that can be tried again: ${sighting.error}`
    },
  }
}

/** Beyond its deadline an answer takes no longer than this. */
const graceMs = 150

/** P6: a Produce is answered by its deadline. */
function answersInTime(): Oracle {
  const offers = new Offers()
  const since = new Map<number, number>()
  const late = ({ request, partition, withinMs }: Offer, at: number) => {
    const tookMs = at - (since.get(request) ?? at)
    if (tookMs <= withinMs + graceMs) return undefined
    return `request ${request} was to be answered within ${withinMs} ms for partition ${partition}, and took ${Math.round(tookMs)} ms`
  }
  return {
    id: 'P6',
    see(sighting, at) {
      if (sighting.type === 'offered') {
        offers.note(sighting)
        since.set(sighting.request, at)
      }
      if (sighting.type === 'settled') {
        const offer = offers.take(sighting)
        return offer && late(offer, at)
      }
      if (sighting.type !== 'tick') return undefined
      for (const offer of offers) {
        const what = late(offer, at)
        if (what !== undefined) return what
      }
      return undefined
    },
  }
}

/** P7: after the faults what is sent is acknowledged. */
function sendsAgain(): Oracle {
  return {
    id: 'P7',
    see(sighting) {
      if (sighting.type !== 'produced' || sighting.behind.length === 0) return undefined
      return `after the last fault ${sighting.behind.join(', ')} can't send`
    },
  }
}

export const producerOracles = (): Oracle[] => [
  acknowledgedIsWritten(),
  twiceIsTold(),
  sentOrderHolds(),
  deniedIsAbsent(),
  neverAgain(),
  answersInTime(),
  sendsAgain(),
  onlyOurCluster(),
  leavesNothing(),
  nothingEscapes(),
]
