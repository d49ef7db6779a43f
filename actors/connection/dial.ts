/**
 * A dial: from an endpoint to a connection that may be used. In order: allow-list, socket, TLS with its identity, login, and two
 * requests that show the versions it speaks, its cluster id and which node it is. No request of KafkaJS's goes out before all that.
 */

import net, { type LookupFunction, type Socket } from 'node:net'
import { type Endpoint, formatEndpoint, sameEndpoint } from '../../machines/endpoint.ts'
import { type Failure, isError, messageOf } from '../../machines/failure.ts'
import type { Snapshot } from '../../machines/snapshot.ts'
import type { DialReason } from '../diagnostics/channels.ts'
import { type ISocketFactory, type KafkaConfig, login, type SASLOptions } from '../kafkajs/login.ts'
import { type ForeignProtocol, foreignProtocol } from '../protocol/foreign-protocol.ts'
import { type SpokenVersions, versionFlaw } from '../protocol/versions.ts'
import { deadline } from '../time/deadline.ts'
import { Connection, ConnectionError, type HeldConnection } from './connection.ts'
import { classify } from './dial-failure.ts'
import type { DialPace } from './dial-pace.ts'
import { closedIn, type DialStep, silentIn } from './dial-step.ts'
import { namesOf } from './names.ts'
import { RoundTrips } from './round-trip.ts'
import { onSilence, type SilenceOptions } from './silence.ts'
import { openSocket } from './socket.ts'

/** The part of KafkaJS's client options that opens connections. */
export type Security = { readonly [Each in 'ssl' | 'sasl' | 'clientId']?: KafkaConfig[Each] | undefined }

export interface DialerOptions {
  /** Fresh options for each dial: credentials and certificates may have changed. */
  readonly security: () => Security | Promise<Security>
  /** How long each step of a dial may be silent, in milliseconds; undefined: 1000, or 2000 with TLS or login. */
  readonly dialTimeoutMs: number | undefined
  /** Anything but true refuses the endpoint before a single byte is sent to it. */
  readonly allowEndpoint?: ((endpoint: Endpoint & { readonly nodeId?: number }) => boolean) | undefined
  /** The name every broker's certificate carries, instead of the dialled host. */
  readonly expectedIdentity?: string | undefined
  /** Resolves names like `dns.lookup`, its default. */
  readonly lookup?: LookupFunction | undefined
  /** What clients of KafkaJS were told that all brokers speak. */
  readonly promised?: (() => SpokenVersions | undefined) | undefined
  /** Opens sockets in place of Node's own, for proxies and tunnels; KafkaJS's `socketFactory`. */
  readonly socketFactory?: ISocketFactory | undefined
  /** The cluster id that must answer; undefined accepts any. */
  readonly clusterId: () => string | undefined
}

export interface Dialled {
  /** Who must answer. */
  readonly nodeId?: number | undefined
  readonly reason?: DialReason
  readonly signal?: AbortSignal | undefined
  /** The pace of logins. */
  readonly logins?: Pick<DialPace, 'login'> | undefined
  /** Hands over a connection to this endpoint that the poller is dialling, or was a moment ago. */
  readonly ready?: (() => Promise<HeldConnection | undefined>) | undefined
  /** Called when the dial makes progress, with what it is at: a step is done, or bytes came. */
  readonly onHeard?: ((step: DialStep) => void) | undefined
}

/** Opens a connection. Rejects with a ConnectionError, by its own deadline at the latest. */
export type Dial = (endpoint: Endpoint, options?: Dialled) => Promise<HeldConnection>

/** Why an endpoint is turned down; the dial adds which one it is. */
type Flaw = Omit<Failure, 'endpoint' | 'nodeId'>

/** The function that returns the settings has this long, in milliseconds. */
const securityTimeoutMs = 3000
/** A dial ends by then, in milliseconds, however many bytes keep coming. */
const longestDialMs = 30_000

/** Makes the dial that everything in one consumer shares. */
export function createDial(options: DialerOptions): Dial {
  const { lookup } = namesOf(options.lookup)
  const roundTrips = new RoundTrips()
  return async (endpoint, { nodeId, signal, logins, ready, onHeard } = {}) => {
    const { host, port } = endpoint
    const expected = nodeId === undefined ? {} : { nodeId }
    const turnDown = (failure: Flaw, snapshot?: Snapshot) =>
      new ConnectionError({ ...failure, endpoint: formatEndpoint(endpoint), ...expected }, snapshot)
    const objection = objectionTo({ host, port, ...expected }, options.allowEndpoint)
    if (objection) throw turnDown({ kind: 'identity-refused', message: objection, code: 'NOT_ALLOWED' })
    let step: DialStep = 'settings'
    let foreign: ForeignProtocol | undefined
    const failed = (error: unknown) => {
      if (foreign) return turnDown({ kind: 'dial-failed', ...foreign })
      if (isError(error) && error instanceof ConnectionError && error.snapshot) return error
      const failure = classify(error)
      return turnDown({ ...failure, ...(closings.has(failure.code ?? '') ? closedIn(step) : undefined) })
    }
    const admit = (line: HeldConnection): HeldConnection => {
      const { snapshot } = line
      const flaw = identityFlaw(line, options.clusterId(), nodeId)
      const versions = versionFlaw(line.versions, options.promised?.())
      if (!flaw && !versions) return line
      line.close()
      if (flaw) throw turnDown(flaw, snapshot.clusterId === '' ? undefined : snapshot)
      // It carries no snapshot: a cluster that can't be used does not count as reached.
      const message = `${formatEndpoint(endpoint)}: ${versions}`
      throw turnDown({ kind: 'version-too-old', message, code: 'UNSUPPORTED_VERSION' })
    }
    // Its failure is the failure of this dial.
    const given = ready?.()
    const line =
      given &&
      (await withDeadline(given, { forMs: longestDialMs }, signal).catch((error) => {
        given.then((line) => line?.close()).catch(() => {})
        throw error === late ? turnDown(silentIn(step, longestDialMs)) : failed(error)
      }))
    if (line) return admit(line)
    onHeard?.(step)
    const asked = (async () => options.security())()
    const settings = await withDeadline(asked, { forMs: securityTimeoutMs }, signal).catch((error) => {
      if (signal?.aborted) throw turnDown(classify(error))
      if (error === late) throw turnDown(silentIn(step, securityTimeoutMs))
      const message = `the option \`kafka\` gave no settings: ${messageOf(error)}`
      throw turnDown({ kind: 'settings-failed', message, code: 'NO_SETTINGS' })
    })
    const { ssl, sasl, clientId = 'relisten' } = settings
    const timeoutMs = options.dialTimeoutMs ?? (ssl || sasl ? 2000 : 1000)
    let socket: Socket | undefined
    let connection: Connection | undefined
    let heardAt = performance.now()
    const heard = () => {
      heardAt = performance.now()
      onHeard?.(step)
    }
    const enters = (next: DialStep) => {
      step = next
      heard()
    }
    let isWaiting = false
    const enter = async (opened: Socket, credentials: NonNullable<KafkaConfig['sasl']>): Promise<number> => {
      const attempt = async () => {
        isWaiting = false
        enters('login')
        // Whoever waited for its turn may be gone.
        if (opened.destroyed) throw Object.assign(new Error('closed before the login'), { code: 'ECONNRESET' })
        return login(opened, fresh(credentials), clientId, longestDialMs, endpoint).catch((error) => {
          throw failed(error)
        })
      }
      isWaiting = true
      return logins ? logins.login(endpoint, attempt) : attempt()
    }
    const work = async (): Promise<Connection> => {
      enters(net.isIP(host) ? 'connect' : 'lookup')
      const opened = openSocket(endpoint, { ...options, ssl, lookup })
      socket = opened.socket
      socket.once('lookup', () => {
        step = 'connect'
        onHeard?.(step)
      })
      socket.once('connect', () => enters(ssl ? 'tls' : 'answer'))
      await opened.connected
      enters('answer')
      // The login takes its own listeners of data away again, and these with them.
      socket.on('data', heard).once('data', (first: Buffer) => {
        foreign = foreignProtocol(first)
        if (foreign) socket?.destroy()
      })
      const loginValidMs = sasl ? await enter(socket, sasl) : 0
      const roundTrip = roundTrips.to(formatEndpoint(endpoint))
      connection = new Connection({ socket, endpoint, clientId, loginValidMs, roundTrip })
      socket.off('data', heard).on('data', heard)
      enters('answer')
      await connection.identify()
      socket.off('data', heard)
      return connection
    }
    const steps = { forMs: timeoutMs, heardAt: () => heardAt, atMostMs: longestDialMs }
    try {
      return admit(await withDeadline(work(), steps, signal))
    } catch (error) {
      connection?.close()
      socket?.destroy()
      if (isWaiting && !(error instanceof ConnectionError) && !signal?.aborted)
        throw turnDown({ kind: 'dial-failed', message: 'Another login is under way', code: 'TOO_SOON' })
      throw error === late ? turnDown(silentIn(step, timeoutMs)) : failed(error)
    }
  }
}

/** The peer has ended the connection, or its system has. */
const closings: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE'])

/** What work is rejected with that was silent for too long. */
const late = new Error('no answer in time')

/** Why the endpoint may not be dialled; undefined when it may. Only `true` allows it: a broken check allows nothing. */
function objectionTo(
  endpoint: Endpoint & { readonly nodeId?: number },
  allowEndpoint: DialerOptions['allowEndpoint'],
): string | undefined {
  if (!allowEndpoint) return undefined
  let answer: unknown
  try {
    answer = allowEndpoint(endpoint)
  } catch (thrown) {
    return `allowEndpoint threw: ${messageOf(thrown)}`
  }
  if (answer === true) return undefined
  if (answer === false) return 'allowEndpoint refuses this endpoint'
  // Nobody waits for this promise, and its rejection must not end the process.
  if (answer instanceof Promise) answer.catch(() => {})
  const got = answer instanceof Promise ? 'a promise' : answer === null ? 'null' : `a value of type ${typeof answer}`
  return `allowEndpoint returned ${got}; it must return true or false at once`
}

/** KafkaJS keeps state of its login in the object it is given, so each login gets a fresh copy. */
function fresh(sasl: NonNullable<KafkaConfig['sasl']>): SASLOptions {
  if ('mechanism' in sasl && 'username' in sasl) {
    const { mechanism, username, password } = sasl
    return { mechanism, username, password } as SASLOptions
  }
  return { ...sasl } as SASLOptions
}

/** Why whoever answers is not who is meant; undefined when it is. */
function identityFlaw({ snapshot, endpoint }: HeldConnection, clusterId?: string, nodeId?: number): Flaw | undefined {
  if (snapshot.clusterId === '') {
    const message =
      'It answers without a cluster id: it has not found its cluster yet, or does not tell. Nothing is done with it'
    return { kind: 'dial-failed', message, code: 'NO_CLUSTER_ID' }
  }
  if (clusterId !== undefined && snapshot.clusterId !== clusterId)
    return { kind: 'foreign-cluster', message: `Cluster ${snapshot.clusterId} answered instead of ${clusterId}` }
  const entry = snapshot.brokers.find((broker) => broker.nodeId === nodeId)
  if (nodeId === undefined || (entry && sameEndpoint(entry, endpoint))) return undefined
  const message = `It answers, but does not call itself node ${nodeId} at this endpoint`
  return { kind: 'dial-failed', message, code: 'WRONG_NODE' }
}

function withDeadline<Value>(work: Promise<Value>, silence: SilenceOptions, signal?: AbortSignal): Promise<Value> {
  const end = () => {
    throw signal?.aborted ? Object.assign(new Error('the dial is no longer wanted'), { code: 'ABORT_ERR' }) : late
  }
  return deadline(work, (over) => onSilence(silence, over), end, signal)
}
