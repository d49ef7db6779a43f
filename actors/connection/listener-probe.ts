/**
 * A listener probe: what a listener speaks, found without logging in and without trusting it. It sends three requests at most, none of which
 * carries anything of the user's: the versions, a login with a mechanism that does not exist, and who the broker is.
 */

import type { LookupFunction } from 'node:net'
import type { Endpoint } from '../../machines/endpoint.ts'
import type { Snapshot } from '../../machines/snapshot.ts'
import { calls } from '../kafkajs/calls.ts'
import type { KafkaConfig } from '../kafkajs/login.ts'
import { errorCodes } from '../protocol/frames.ts'
import type { SpokenVersions } from '../protocol/versions.ts'
import { within } from '../time/deadline.ts'
import { type Certificate, chainOf } from './certificate.ts'
import { Connection } from './connection.ts'
import { RoundTrip } from './round-trip.ts'
import { type OpenedSocket, openSocket } from './socket.ts'

/** Kafka's names for what a listener speaks. */
export type SecurityProtocol = 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'

export interface ListenerView {
  readonly protocol: SecurityProtocol
  /** The SASL mechanisms it offers; none where it wants no login. */
  readonly mechanisms: readonly string[]
  /** What it shows, trusted or not. */
  readonly certificates: readonly Certificate[]
  readonly versions: SpokenVersions
  /** Who it says it is. Undefined where it wants a login for that. */
  readonly snapshot: Snapshot | undefined
}

export interface ListenerProbeOptions {
  /** What is tried first, and with which client certificate. */
  readonly ssl: KafkaConfig['ssl'] | undefined
  readonly lookup: LookupFunction
  readonly clientId: string
  /** For each of the two tries, in milliseconds. */
  readonly timeoutMs: number
}

/** Undefined where no Kafka speaks, with TLS or without. Ends by twice `timeoutMs`. */
export async function probeListener(
  endpoint: Endpoint,
  options: ListenerProbeOptions,
): Promise<ListenerView | undefined> {
  for (const isTls of options.ssl ? [true, false] : [false, true]) {
    const view = await viewed(endpoint, options, isTls).catch(() => undefined)
    if (view) return view
  }
  return undefined
}

async function viewed(endpoint: Endpoint, options: ListenerProbeOptions, isTls: boolean): Promise<ListenerView> {
  const { ssl, lookup, clientId, timeoutMs } = options
  // It is looked at and not trusted: nothing that is secret goes out.
  const untrusted = { ...(typeof ssl === 'object' ? ssl : {}), rejectUnauthorized: false }
  const opened = openSocket(endpoint, { ssl: isTls && untrusted, lookup })
  try {
    return await within(view(opened, endpoint, clientId, isTls), timeoutMs, 'It did not say what it speaks')
  } finally {
    opened.socket.on('error', () => {}).destroy()
  }
}

async function view(opened: OpenedSocket, endpoint: Endpoint, clientId: string, isTls: boolean): Promise<ListenerView> {
  await opened.connected
  const { socket } = opened
  const certificates = chainOf(socket)
  const connection = new Connection({ socket, endpoint, clientId, loginValidMs: 0, roundTrip: new RoundTrip() })
  const versions = await connection.ask(calls.apiVersions())
  const { errorCode, enabledMechanisms } = await connection.ask(calls.saslHandshake(noMechanism))
  const hasLogin = errorCode !== errorCodes.illegalSaslState
  const protocol = `${hasLogin ? 'SASL_' : ''}${isTls ? 'SSL' : 'PLAINTEXT'}` as SecurityProtocol
  const snapshot = hasLogin ? undefined : await connection.metadata()
  return { protocol, mechanisms: hasLogin ? enabledMechanisms : [], certificates, versions, snapshot }
}

const noMechanism = 'RELISTEN-PROBE'
