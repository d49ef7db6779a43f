/** Advice: the likely cause of a failure and the next step, by its code where that tells more than its kind. */

import type { RejectionCode } from '../actors/group/commit-rejection.ts'
import type { Failure, FailureKind } from '../machines/failure.ts'

/** What may be behind a failure, and what to do. */
export interface Advice {
  readonly likelyCause: string
  readonly nextStep: string
}

const byKind: Record<FailureKind, Advice> = {
  unreachable: {
    likelyCause:
      'the brokers are down, a firewall is in the way, or `brokers` names addresses that are no longer in force.',
    nextStep:
      'check that the addresses in `brokers` accept connections from this host; a function or source can name new ones.',
  },
  'dial-failed': {
    likelyCause: 'the broker is down, moved, or speaks TLS where plain text was tried (or the other way round).',
    nextStep: 'check the address from this host, and `kafka.ssl` against the listener it belongs to.',
  },
  'identity-refused': {
    likelyCause: 'the certificate does not cover the address, comes from an unknown CA, or `allowEndpoint` said no.',
    nextStep:
      'issue a certificate that names the address, give the CA in `kafka.ssl.ca`, name a shared certificate name in `expectedIdentity`, or widen `allowEndpoint`.',
  },
  'foreign-cluster': {
    likelyCause: 'the address was given to a broker of another cluster, or `brokers` points to the wrong environment.',
    nextStep:
      'compare the cluster ids in the message, then correct `brokers` or `clusterId`. Nothing was read or committed there.',
  },
  'version-too-old': {
    likelyCause:
      'the cluster, or this broker of it, runs a Kafka before 2.4, or something between answers in its name.',
    nextStep: 'upgrade the broker; it is tried again until it speaks what is needed.',
  },
  'login-refused': {
    likelyCause: 'user name, password or mechanism is wrong, or the credentials were rotated.',
    nextStep: 'check `kafka.sasl`; give `kafka` as a function to have fresh credentials read at each login.',
  },
  'settings-failed': {
    likelyCause:
      'what the function `kafka` asks (a vault, a file, a token service) is away, slow, or says something else.',
    nextStep: 'correct it; it is asked again and again until it returns `clientId`, `ssl` and `sasl`.',
  },
  'not-authorized': {
    likelyCause: 'an ACL for the topic (READ) or the group (READ) is missing for this user.',
    nextStep: 'add the ACL; a consumer that has ended has to be started again.',
  },
  'topic-missing': {
    likelyCause: 'the name is misspelt, or the topic was not created yet or deleted.',
    nextStep: 'create the topic or correct `topics`; `allowAutoTopicCreation` lets the brokers create it.',
  },
  'member-lost': {
    likelyCause: 'no heartbeat arrived within `sessionTimeout`, or somebody removed the member.',
    nextStep: 'none is needed, a new session joins by itself; if it comes back, look for a blocked event loop.',
  },
  'group-refused': {
    likelyCause:
      'another member of the group uses other partition assigners or another protocol, or the group is full.',
    nextStep: 'compare `groupId` and `partitionAssigners` with the other members, and `group.max.size` of the brokers.',
  },
  'session-crashed': {
    likelyCause: 'an error that KafkaJS does not retry.',
    nextStep: 'none is needed, a new session is opened; the message names the error if it comes back.',
  },
  'session-silent': {
    likelyCause: 'a broker accepts connections but does not answer, or the fetch loop is stuck.',
    nextStep:
      'none is needed, the connections are made again; if it comes back, look at the brokers named in the facts.',
  },
  unproven: {
    likelyCause: 'a broker is slow to answer at its new address.',
    nextStep: 'none is needed, the session is replaced; raise `rebuildTimeoutMs` if your brokers need longer.',
  },
  'join-timed-out': {
    likelyCause:
      'another member holds the rebalance open, the coordinator is loading, or leaders do not say where their logs begin and end.',
    nextStep:
      'look at the members of the group, as a slow one holds a rebalance until its `rebalanceTimeout`, and at the brokers named in the facts.',
  },
  'source-failed': {
    likelyCause:
      'the `brokers` function threw, did not answer in time, or returned something that is no list of addresses.',
    nextStep: 'correct the source; until then its last good list is used.',
  },
  'handler-failed': {
    likelyCause: 'the handler threw for this message each time it was tried.',
    nextStep: 'correct the handler, or decide by `onHandlerError` what becomes of such a message. It is not committed.',
  },
  'callback-failed': {
    likelyCause:
      '`onPartitionsAssigned`, `onPartitionsRevoked` or `onPartitionsLost` threw, or took longer than `drainTimeoutMs`.',
    nextStep:
      'correct the callback, or raise `drainTimeoutMs`. An assignment whose callback threw is not read; the next session asks again.',
  },
  'journal-failed': {
    likelyCause: 'the disk is full or broken, or another process uses the journal.',
    nextStep: 'free the disk or choose another path, then start again; `onJournalError` says what happens meanwhile.',
  },
  bug: {
    likelyCause: 'a defect in relisten.',
    nextStep: 'report it with the facts before it; the consumer has stopped, so start it again.',
  },
}

/** Why an offset that was named is not committed, and what to do. */
export const rejectionAdvice: Record<RejectionCode, Advice> = {
  'not-assigned': {
    likelyCause: 'the partition is another member’s, or the consumer has not joined yet.',
    nextStep: 'commit partitions that messages came from; `status().assignment` names them.',
  },
  fenced: {
    likelyCause: 'the group has rebalanced, or the session was replaced, before the commit was sent.',
    nextStep:
      'drop what was not committed: whoever has the partition now reads it again. `onPartitionsRevoked` is the time to commit.',
  },
  'out-of-range': {
    likelyCause:
      'the offset of a message was named and not the next one, commits came out of order, or a partition was mixed up.',
    nextStep: 'commit the offset of the last message handled, plus one; to go back, `seek` first.',
  },
}

/** The advice for a failure. */
export const adviceFor = ({ kind, code = '' }: Pick<Failure, 'kind' | 'code'>): Advice =>
  byCode.find(({ codes }) => codes.test(code)) ?? byKind[kind]

/** Codes that tell more than the kind does. */
const byCode: readonly (Advice & { readonly codes: RegExp })[] = [
  {
    codes: /^ECONNREFUSED$/,
    likelyCause: 'nothing listens at this port: the broker is down, has moved, or the address is wrong.',
    nextStep:
      'check the address, and that the broker runs there; a function or source as `brokers` can name a new one.',
  },
  {
    codes: /^(ENOTFOUND|EAI_AGAIN|LOOKUP_TIMEOUT)$/,
    likelyCause: 'the name is misspelt, or the name server of this host does not know it or does not answer.',
    nextStep: 'resolve the name on this host (`getent hosts …`), then correct `brokers`, the name server or `lookup`.',
  },
  {
    codes: /^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/,
    likelyCause: 'a firewall drops the packets, the host is down, or there is no route to it.',
    nextStep:
      'check from this host that the port can be reached (`nc -vz host port`), and `dialTimeoutMs` if the brokers are far.',
  },
  {
    codes: /^ANSWER_TIMEOUT$/,
    likelyCause:
      'a proxy or firewall takes connections for a broker that is not there, the broker hangs, or the port waits for TLS and plain text was spoken.',
    nextStep: 'check the port against the broker’s `advertised.listeners`; if it is a TLS listener, set `kafka.ssl`.',
  },
  {
    codes: /^TLS_TIMEOUT$/,
    likelyCause:
      'the port speaks plain text and waits for more, or a proxy takes connections for a broker that is not there.',
    nextStep: 'use the port of the TLS listener, or leave out `kafka.ssl` if the listener is plain.',
  },
  {
    codes: /^LOGIN_TIMEOUT$/,
    likelyCause: 'the broker waits for its own login service, or the listener has no SASL.',
    nextStep: 'check that the listener is SASL_SSL or SASL_PLAINTEXT, and the broker’s log.',
  },
  {
    codes: /^TLS_CLOSED$/,
    likelyCause: 'the port speaks plain text, and TLS was tried; or the broker wants a client certificate.',
    nextStep: 'use the port of the TLS listener, leave out `kafka.ssl`, or give `kafka.ssl.cert` and `kafka.ssl.key`.',
  },
  {
    codes: /^TLS_ANSWERED$/,
    likelyCause: 'the port is a TLS listener, and plain text was spoken.',
    nextStep: 'set `kafka.ssl` (`true`, or an object with `ca`), or use the port of the plain listener.',
  },
  {
    codes: /^CLOSED_UNANSWERED$/,
    likelyCause: 'the listener wants a login or TLS, or something between closes connections.',
    nextStep: 'set `kafka.sasl` or `kafka.ssl` as the listener wants them, or use the port of the plain listener.',
  },
  {
    codes: /^HTTP_ANSWERED$/,
    likelyCause: 'the port belongs to a web server, a proxy, or the REST interface of Kafka.',
    nextStep: 'give the port of a Kafka listener in `brokers`.',
  },
  {
    codes: /^(TEXT_ANSWERED|NOT_KAFKA)$/,
    likelyCause: 'another service listens at this port.',
    nextStep: 'give the port of a Kafka listener in `brokers`.',
  },
  {
    codes: /^NO_BROKERS$/,
    likelyCause: 'the function or source `brokers` has failed or hangs, or returns nothing; `source.failed` says more.',
    nextStep: 'check what `brokers` returns.',
  },
  {
    codes: /^NOT_ALLOWED$/,
    likelyCause: '`allowEndpoint` did not return true for this address.',
    nextStep: 'widen `allowEndpoint`, or correct the address that the brokers announce.',
  },
  {
    codes: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    likelyCause: 'the certificate does not name the address that was connected to.',
    nextStep:
      'issue a certificate that covers the new address, or set `expectedIdentity` if all brokers share one name.',
  },
  {
    codes: /SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/,
    likelyCause: 'the certificate comes from a CA that this process does not trust.',
    nextStep: 'give the CA in `kafka.ssl.ca`.',
  },
  {
    codes: /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/,
    likelyCause: 'the certificate is out of its dates.',
    nextStep: 'renew it on the broker, and check the clocks.',
  },
  {
    codes: /ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG/,
    likelyCause: 'the port speaks plain text, and TLS was tried.',
    nextStep: 'use the port of the TLS listener, or leave out `kafka.ssl`.',
  },
  {
    codes: /^UNSUPPORTED_SASL_MECHANISM$/,
    likelyCause: 'the listener does not offer this SASL mechanism.',
    nextStep: 'set `kafka.sasl.mechanism` to one in the broker property `sasl.enabled.mechanisms`.',
  },
  {
    codes: /^INVALID_SESSION_TIMEOUT$/,
    likelyCause:
      '`sessionTimeout` is outside of what the brokers allow: `group.min.session.timeout.ms` (6 s by default) to `group.max.session.timeout.ms` (30 min).',
    nextStep: 'set `sessionTimeout` between the two, or change these properties of the brokers.',
  },
  {
    codes: /^FENCED_INSTANCE_ID$/,
    likelyCause:
      'two processes have the same `groupInstanceId`; the one that joined last goes on, and this one has ended.',
    nextStep: 'give each process an id of its own, such as the name of its pod.',
  },
  {
    codes: /^GROUP_MAX_SIZE_REACHED$/,
    likelyCause: 'the group has as many members as the broker property `group.max.size` allows.',
    nextStep: 'stop a member, or raise `group.max.size`, then start the consumer again.',
  },
  {
    codes: /^INCONSISTENT_GROUP_PROTOCOL$/,
    likelyCause: 'the other members use other partition assigners, or `group.protocol=consumer`.',
    nextStep: 'give all members of the group the same `partitionAssigners`, or this one another `groupId`.',
  },
  {
    codes: /^GROUP_AUTHORIZATION_FAILED$/,
    likelyCause: 'this user has no ACL for READ on the group.',
    nextStep:
      'add one (`kafka-acls --add --operation Read --group …`); a consumer that has ended has to be started again.',
  },
  {
    codes: /^TOPIC_AUTHORIZATION_FAILED$/,
    likelyCause: 'this user has no ACL for READ on a subscribed topic.',
    nextStep:
      'add one (`kafka-acls --add --operation Read --topic …`); a consumer that has ended has to be started again.',
  },
  {
    codes: /^ENOSPC$/,
    likelyCause: 'the disk is full.',
    nextStep: 'free space, then start the consumer again.',
  },
]
