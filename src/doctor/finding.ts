/** A finding: what the doctor found wrong, with its likely cause and the next step. */

import type { Failure } from '../../machines/failure.ts'
import { type Advice, adviceFor } from '../advice.ts'

/** A `problem` keeps a consumer from its work, now or at the next move; a `warning` may. */
export interface Finding extends Advice {
  readonly code: FindingCode
  readonly severity: 'problem' | 'warning'
  /** What happened, a sentence that names the address, node, group or topic. */
  readonly what: string
  /** The failure behind it, as the consumer would have it. */
  readonly failure?: Failure
}

/** What can be found. The words are for scripts; they stay what they are. */
export type FindingCode = keyof typeof known

type Known = { readonly severity: Finding['severity'] } & Partial<Advice>

/** All of them. Where cause or next step are left out, they are those of the failure (src/advice.ts). */
export const known = {
  'source-failed': { severity: 'problem' },
  'no-broker-answers': {
    severity: 'problem',
    likelyCause: 'see the findings of each address.',
    nextStep: 'cure one of them; the advertised listeners can be looked at only once a broker answers.',
  },
  'address-failed': { severity: 'problem' },
  'leads-to-nobody': {
    severity: 'problem',
    likelyCause:
      '`advertised.listeners` of this broker names an address that can’t be reached from here: of an inner network, of a port that is not published, or an old one. So a client connects, learns this address, and hangs.',
    nextStep:
      'correct `advertised.listeners` of this broker for the listener you come in by, or open the way to that address; if the broker is down, start it.',
  },
  'name-unknown': {
    severity: 'problem',
    likelyCause:
      '`advertised.listeners` of this broker has a name that only its own network knows, such as that of a container or a pod.',
    nextStep: 'make the name known to this host, or let the broker advertise one that clients can resolve.',
  },
  'leads-elsewhere': {
    severity: 'problem',
    likelyCause:
      'a load balancer, a port forward or a proxy sends this address to another broker, or two brokers have each other’s `advertised.listeners`.',
    nextStep: 'let the advertised address of each broker lead to this broker alone, and run the doctor again.',
  },
  'leads-to-another-cluster': {
    severity: 'problem',
    likelyCause: 'the address was given to a broker of another cluster, or a forward leads to the wrong environment.',
    nextStep: 'correct `advertised.listeners` of this broker, or where the address leads. Nothing is read there.',
  },
  'another-protocol': {
    severity: 'problem',
    likelyCause:
      '`advertised.listeners` of this broker has the port of another listener under this name, or `listener.security.protocol.map` differs between brokers.',
    nextStep:
      'advertise the port of the listener that clients come in by, with the same security protocol on all brokers.',
  },
  'wrong-protocol': {
    severity: 'problem',
    likelyCause:
      '`brokers` has the port of another listener, or `kafka.ssl` and `kafka.sasl` are not what this listener wants.',
    nextStep:
      'set `kafka.ssl` and `kafka.sasl` as the listener has them, or give the port of the listener that is meant.',
  },
  'certificate-refused': { severity: 'problem' },
  'certificate-ends-soon': {
    severity: 'warning',
    likelyCause: 'it was not renewed yet.',
    nextStep: 'renew it before that day: later every new connection is refused, while those of now go on.',
  },
  'login-refused': { severity: 'problem' },
  'version-too-old': { severity: 'problem' },
  'foreign-cluster': { severity: 'problem' },
  'not-allowed': { severity: 'problem' },
  'settings-failed': { severity: 'problem' },
  'timeout-short': {
    severity: 'problem',
    likelyCause: '`dialTimeoutMs` is shorter than a step of a connection takes on this way.',
    nextStep:
      'raise `dialTimeoutMs` to several times the round trip, or find out what is slow: the name server, the way, the broker.',
  },
  'timeout-close': {
    severity: 'warning',
    likelyCause: 'the broker is far or busy, and `dialTimeoutMs` leaves little room.',
    nextStep: 'raise `dialTimeoutMs`; on a bad day connections would be given up one after the other.',
  },
  'same-address': {
    severity: 'problem',
    likelyCause:
      '`advertised.listeners` of these brokers was copied, or both are behind one load balancer or port forward.',
    nextStep: 'give each broker an address, or a port, of its own: a client has to reach each of them.',
  },
  'two-listeners': {
    severity: 'warning',
    likelyCause: '`brokers` names addresses of more than one listener, such as an inner and an outer one.',
    nextStep: 'name addresses of one listener only: brokers are advertised as the listener that is asked has them.',
  },
  'views-differ': {
    severity: 'warning',
    likelyCause: 'brokers are starting, stopping or moving, or one is cut off from the controller.',
    nextStep: 'run the doctor again; if it stays so, look at the log of the broker that says something else.',
  },
  'cluster-unknown': {
    severity: 'warning',
    likelyCause: 'the listener wants a login before it says who it is.',
    nextStep: 'run it again with `--login`, once.',
  },
  'node-without-address': {
    severity: 'warning',
    likelyCause: 'an address was left out, or leads to a broker that has one already.',
    nextStep: 'name the new address of each broker: a client has to reach all of them.',
  },
  'coordinator-missing': {
    severity: 'problem',
    likelyCause: 'the brokers have just started, or the topic `__consumer_offsets` has partitions without a leader.',
    nextStep: 'wait and run the doctor again; then look at `__consumer_offsets` and at the brokers that are down.',
  },
  'group-denied': {
    severity: 'problem',
    likelyCause: 'this user has no ACL for READ on the group.',
    nextStep: 'add one: `kafka-acls --add --allow-principal User:… --operation Read --group …`.',
  },
  'group-of-others': {
    severity: 'problem',
    likelyCause: 'something that is no consumer uses this group id, such as Kafka Connect or a schema registry.',
    nextStep: 'choose another `groupId`.',
  },
  'group-rebalancing': {
    severity: 'warning',
    likelyCause: 'a member joins or leaves, or one does not come back to the rebalance.',
    nextStep: 'run the doctor again; if it stays so, look for the member that is slow or restarts again and again.',
  },
  'topic-missing': { severity: 'problem' },
  'topic-denied': {
    severity: 'problem',
    likelyCause: 'this user has no ACL for READ on the topic.',
    nextStep: 'add one: `kafka-acls --add --allow-principal User:… --operation Read --topic …`.',
  },
  'no-leader': {
    severity: 'problem',
    likelyCause: 'the brokers that have a copy of it are down or cut off.',
    nextStep: 'start them. Other partitions are read meanwhile.',
  },
  'offset-below-log': {
    severity: 'problem',
    likelyCause:
      'the consumer was away for longer than `retention.ms` or `retention.bytes` keeps messages, or records were deleted.',
    nextStep:
      'the messages between are gone. It goes on at the start of the log by itself; keep them for longer if it may be away so long.',
  },
  'offset-above-log': {
    severity: 'problem',
    likelyCause:
      'the topic was deleted and made again, or brokers lost the end of the log (an unclean leader election).',
    nextStep:
      'set the offset of the group on purpose: `kafka-consumer-groups --reset-offsets …` while no member is there.',
  },
  unanswered: {
    severity: 'warning',
    likelyCause: 'the broker is busy, or the connection broke while it was asked.',
    nextStep: 'run the doctor again; if it stays so, look at this broker’s log.',
  },
} as const satisfies Record<string, Known>

/** The finding of this code. Cause and next step are those of the failure where the code has none of its own. */
export function finding(code: FindingCode, what: string, failure?: Failure): Finding {
  const { severity, ...own }: Known = known[code]
  const { likelyCause, nextStep } = { ...(failure ? adviceFor(failure) : nothingKnown), ...own }
  return { code, severity, what, likelyCause, nextStep, ...(failure ? { failure } : {}) }
}

const nothingKnown: Advice = { likelyCause: 'not known.', nextStep: 'run the doctor again.' }
