/** A visit: one address dialled and looked at, step by step. Where that fails, what is there instead is looked at without a login. */

import type { LookupAddress } from 'node:dns'
import net from 'node:net'
import type { Certificate } from '../../actors/connection/certificate.ts'
import { ConnectionError, type HeldConnection } from '../../actors/connection/connection.ts'
import { createDial, type DialerOptions } from '../../actors/connection/dial.ts'
import { fromDial } from '../../actors/connection/dial-failure.ts'
import { type DialStep, isSilence } from '../../actors/connection/dial-step.ts'
import { type ListenerView, probeListener } from '../../actors/connection/listener-probe.ts'
import { namesOf } from '../../actors/connection/names.ts'
import { within } from '../../actors/time/deadline.ts'
import type { Endpoint } from '../../machines/endpoint.ts'
import type { Failure } from '../../machines/failure.ts'
import type { Snapshot } from '../../machines/snapshot.ts'

export interface Visit {
  readonly endpoint: Endpoint
  /** What its name resolves to; the address itself where it is none. */
  readonly addresses: readonly string[]
  /** How long each step took, in milliseconds, up to the one that failed. */
  readonly steps: Readonly<Partial<Record<DialStep, number>>>
  /** The step that failed. */
  readonly failedIn: DialStep | undefined
  /** Why it can't be used. */
  readonly failure: Failure | undefined
  /** With a longer timeout it worked, and its slowest step took this long, in milliseconds. */
  readonly slowMs: number | undefined
  /** The median of a few, in milliseconds. */
  readonly roundTripMs: number | undefined
  /** What it said of the cluster, also where it is turned down for that. */
  readonly snapshot: Snapshot | undefined
  readonly certificates: readonly Certificate[]
  /** What is there, where it is not what was wanted. Undefined where nothing speaks Kafka, or nothing was wrong. */
  readonly listener: ListenerView | undefined
  /** To ask more; whoever visits closes it. */
  readonly connection: HeldConnection | undefined
}

export interface VisitOptions extends DialerOptions {
  /** The step timeout that is in force, in milliseconds. */
  readonly stepMs: number
  readonly clientId: string
  readonly ssl: ListenerProbeSsl
  /** A silent address is not tried again with a longer timeout. Default false. */
  readonly isOnce?: boolean
}

type ListenerProbeSsl = Parameters<typeof probeListener>[1]['ssl']

/** With a longer timeout, a silent address is tried once more. */
const patience = 5
const mostPatienceMs = 10_000
const samples = 3
const lookupMs = 3000

/** Never rejects. */
export async function visit(endpoint: Endpoint, options: VisitOptions): Promise<Visit> {
  const addresses = await addressesOf(endpoint.host, options)
  const first = await dialled(endpoint, options)
  const { failure } = first
  if (!failure) return { endpoint, addresses, slowMs: undefined, listener: undefined, ...first }
  // A login is not tried again: the account might be locked for it.
  if (!options.isOnce && isSilence(failure) && failure.code !== 'LOGIN_TIMEOUT' && addresses.length > 0) {
    const again = await dialled(endpoint, { ...options, dialTimeoutMs: longer(options.stepMs) })
    if (again.connection) {
      const slowMs = Math.max(...Object.values(again.steps))
      return { endpoint, addresses, slowMs, listener: undefined, ...again }
    }
  }
  const listener = isSomebody(failure) ? await listenerAt(endpoint, options) : undefined
  const { certificates = [], snapshot } = listener ?? {}
  return {
    ...{ endpoint, addresses, slowMs: undefined, listener },
    ...{ ...first, certificates, snapshot: first.snapshot ?? snapshot },
  }
}

/** Whether somebody is there of whom is not known who: it is looked at what they speak. */
const isSomebody = ({ kind, code = '' }: Failure): boolean =>
  kind === 'login-refused' ||
  (kind === 'identity-refused' && code !== 'NOT_ALLOWED') ||
  (kind === 'dial-failed' && !unreachable.has(code))

const listenerAt = (endpoint: Endpoint, { ssl, clientId, stepMs, lookup }: VisitOptions) =>
  probeListener(endpoint, { ssl, clientId, lookup: namesOf(lookup).lookup, timeoutMs: stepMs })

const longer = (stepMs: number): number => Math.min(mostPatienceMs, stepMs * patience)

/** Nobody is there to be looked at. */
const unreachable: ReadonlySet<string> = new Set([
  ...['ECONNREFUSED', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'],
  ...['ENOTFOUND', 'EAI_AGAIN', 'LOOKUP_TIMEOUT'],
])

type DialledPart = Pick<
  Visit,
  'steps' | 'failedIn' | 'failure' | 'roundTripMs' | 'snapshot' | 'certificates' | 'connection'
>

async function dialled(endpoint: Endpoint, options: DialerOptions): Promise<DialledPart> {
  const steps: Partial<Record<DialStep, number>> = {}
  let at: DialStep | undefined
  let since = performance.now()
  const enter = (step: DialStep | undefined) => {
    const now = performance.now()
    if (at !== undefined) steps[at] = (steps[at] ?? 0) + now - since
    at = step
    since = now
  }
  try {
    const connection = await createDial(options)(endpoint, { onHeard: enter })
    enter(undefined)
    const { snapshot, certificates } = connection
    return {
      steps,
      failedIn: undefined,
      failure: undefined,
      roundTripMs: await median(connection),
      snapshot,
      certificates,
      connection,
    }
  } catch (error) {
    const failedIn = at
    enter(undefined)
    const snapshot = error instanceof ConnectionError ? error.snapshot : undefined
    const failure = fromDial(error, endpoint)
    return { steps, failedIn, failure, roundTripMs: undefined, snapshot, certificates: [], connection: undefined }
  }
}

async function median(connection: HeldConnection): Promise<number | undefined> {
  const took: number[] = []
  try {
    for (let sample = 0; sample < samples; sample++) {
      const since = performance.now()
      await within(connection.metadata(), mostPatienceMs, 'It did not answer')
      took.push(performance.now() - since)
    }
  } catch {
    // A connection that breaks here shows at the next question.
  }
  return took.toSorted((one, other) => one - other)[Math.floor(took.length / 2)]
}

async function addressesOf(host: string, { lookup: given }: DialerOptions): Promise<readonly string[]> {
  if (net.isIP(host)) return [host]
  const { lookup } = namesOf(given)
  const asked = new Promise<readonly LookupAddress[]>((resolve) =>
    lookup(host, { all: true }, (_error, found) => resolve(Array.isArray(found) ? found : [])),
  )
  const found = await within(asked, lookupMs, 'It was not resolved').catch(() => [])
  return found.map(({ address }) => address)
}
