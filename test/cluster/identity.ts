/** Who the brokers are and how a client logs in, on a CLIENT listener with TLS and SCRAM-SHA-512. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Reader, request, text } from './broker-request.ts'
import { createAuthority, servedSerial } from './certificates.ts'
import { HIGHEST_SET, loopback, parseEndpoint } from './loopback.ts'

/** What KafkaJS takes as `sasl`. */
export interface Login {
  readonly mechanism: 'scram-sha-512'
  readonly username: string
  readonly password: string
}

type User = 'service' | 'guest'

export interface Identity {
  /** Certificate of the authority, PEM. */
  readonly ca: string
  /** For the tool that formats the storage: creates the credentials. */
  readonly formatArguments: readonly string[]
  /** A fresh object each time: KafkaJS writes its login into the one it gets. Default: the user `service`. */
  login(username?: User): Login
  brokerProperties(nodeId: number): Record<string, string>
  /**
   * A new certificate for that broker, which covers exactly these addresses. A stopped broker reads it at its next
   * start; a `running` one is told to, and this resolves when new connections see it.
   */
  issue(nodeId: number, addresses: readonly string[], running?: Listeners): Promise<void>
}

/** The endpoints of a running broker. */
export interface Listeners {
  readonly internal: string
  readonly client: string
}

const KEY_STORE = 'listener.name.client.ssl.keystore.location'

/** At first a broker's certificate covers its addresses in every set. */
export async function createIdentity(folder: string, nodeIds: readonly number[]): Promise<Identity> {
  const authority = await createAuthority(folder)
  const keyStore = (nodeId: number) => join(folder, `broker-${nodeId}.keystore.pem`)
  const issue: Identity['issue'] = async (nodeId, addresses, running) => {
    const serial = await authority.issue(keyStore(nodeId), `broker-${nodeId}`, addresses)
    if (running === undefined) return
    await alterBroker(nodeId, running.internal, KEY_STORE, keyStore(nodeId))
    const { host, port } = parseEndpoint(running.client)
    const deadline = Date.now() + 10_000
    // each network thread of the broker reads it for itself, and takes connections in turn
    for (let seen = 0; seen < 4; seen += 1) {
      if ((await servedSerial(host, port, authority.ca)) === serial) continue
      if (Date.now() > deadline) throw new Error(`Broker ${nodeId} still shows its old certificate after 10 s`)
      seen = -1
      await pause(50)
    }
  }
  const sets = Array.from({ length: HIGHEST_SET }, (_, index) => index + 1)
  await Promise.all(
    nodeIds.map((nodeId) =>
      issue(
        nodeId,
        sets.map((set) => loopback(set, nodeId)),
      ),
    ),
  )
  const users: readonly User[] = ['service', 'guest']
  const password = randomBytes(12).toString('hex')
  const added = users.flatMap((user) => ['--add-scram', `SCRAM-SHA-512=[name=${user},password=${password}]`])

  return {
    ca: authority.ca,
    formatArguments: added,
    login: (username = 'service') => ({ mechanism: 'scram-sha-512', username, password }),
    brokerProperties: (nodeId) => ({
      'listener.name.client.sasl.enabled.mechanisms': 'SCRAM-SHA-512',
      'listener.name.client.scram-sha-512.sasl.jaas.config':
        'org.apache.kafka.common.security.scram.ScramLoginModule required;',
      'listener.name.client.ssl.keystore.type': 'PEM',
      [KEY_STORE]: keyStore(nodeId),
      // otherwise a running broker turns down a new certificate that no longer covers an old address
      'listener.name.client.ssl.allow.san.changes': 'true',
    }),
    issue,
  }
}

/** AlterConfigs v0. A property of one broker is altered only by that broker itself, which KafkaJS's admin cannot promise. */
async function alterBroker(nodeId: number, internal: string, name: string, value: string): Promise<void> {
  const one = Buffer.from([0, 0, 0, 1])
  const brokerKind = Buffer.from([4])
  const forReal = Buffer.from([0])
  const body = Buffer.concat([one, brokerKind, text(String(nodeId)), one, text(name), text(value), forReal])
  const answer = new Reader(await request(internal, { apiKey: 33, version: 0, body, deadlineMs: 10_000 }))
  answer.int32() // throttle time
  const [refused] = answer.array(() => ({ error: answer.int16(), message: answer.text() }))
  if (refused !== undefined && refused.error !== 0) {
    throw new Error(`Broker ${nodeId} does not read its key store again: ${refused.message} (error ${refused.error})`)
  }
}
