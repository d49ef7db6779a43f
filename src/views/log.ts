/** The log: a line for each fact, written with the logger in use. */

import type { HandlerError } from '../../actors/delivery/handler-error.ts'
import type { FactData, FactType } from '../../machines/fact.ts'
import { type Failure, placed } from '../../machines/failure.ts'
import type { PartitionsByTopic } from '../../machines/topic-partition.ts'
import { adviceFor } from '../advice.ts'
import type { JournalRecord } from '../journal/journal.ts'
import { printable } from '../printable.ts'

type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** A pino logger, or anything with these four of its methods. */
export type Logger = { readonly [Name in LogLevel]: (fields: object, message: string) => void }

/**
 * Makes the listener that writes a line for each record: its message is a sentence, its fields are `seq`, `consumer`, `epoch`, `fact`,
 * the fact's data, `stateBefore` and `state` where the state changed, and `err` with name, stack and cause of what a handler or its policy threw. The sentence has no control characters, whatever a peer is called.
 */
export function logFacts(logger: Logger): (record: JournalRecord, error?: HandlerError) => void {
  return (record, error) => {
    const { seq, consumer, epoch, type, from, to, data } = record
    const { level, message } = lineFor(record)
    const moved = from === to ? {} : { stateBefore: from, state: to }
    return logger[level](
      { ...data, seq, consumer, epoch, fact: type, ...moved, ...(error ? { err: error } : {}) },
      // A failure's text may be a sentence of its own.
      printable(`${message.replace(/\.$/, '')}${adviceIn(record)}`),
    )
  }
}

/** Facts somebody may have to act on say what to do; the others would only grow longer. */
const advised = new Set([
  ...['cluster.unreachable', 'source.failed', 'session.failed', 'session.stalled', 'endpoint.refused', 'member.lost'],
  ...['handler.failed', 'callback.failed', 'journal.failed', 'consumer.failed'],
])

function adviceIn({ type, data }: JournalRecord): string {
  const failure = data.failure as Failure | undefined
  if (!failure || !advised.has(type)) return ''
  const { likelyCause, nextStep } = adviceFor(failure)
  return `. Likely cause: ${likelyCause} Next step: ${nextStep}`
}

interface Line<Data> {
  readonly level: LogLevel
  readonly sentence: (data: Data) => string
}

/** The sentence for a record. */
export const sentenceFor = (record: JournalRecord): string => lineFor(record).message

function lineFor({ type, data, actor }: JournalRecord): { level: LogLevel; message: string } {
  const line = Object.hasOwn(lines, type) ? lines[type as FactType] : undefined
  // The table ties each type to its data; a union of its rows can't show that any more.
  if (line) return { level: line.level, message: (line.sentence as (data: unknown) => string)(data) }
  if (type === 'journal.repaired') return { level: 'warn', message: repairIn(data) }
  if (type === 'journal.snapshot') return { level: 'debug', message: 'The journal begins a new file with a snapshot' }
  if (type === 'actor.failed') return { level: 'error', message: `${actor} failed: ${data.message}` }
  return { level: 'debug', message: `${actor}: ${type}` }
}

function repairIn({ file, line, reason, cutBytes, setAside }: JournalRecord['data']): string {
  const lost = Number(cutBytes) > 0 ? `${cutBytes} bytes are cut off` : `what follows is in ${String(setAside)}`
  return `The journal was damaged, ${file} in line ${line}: ${reason}; ${lost}`
}

const list = (partitions: PartitionsByTopic): string =>
  Object.entries(partitions)
    .map(([topic, numbers]) => `${topic} ${numbers.join(', ')}`)
    .join('; ') || 'none'

/** A number of things in words. */
export const many = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`

const at = (level: LogLevel) => {
  return <Data>(sentence: (data: Data) => string): Line<Data> => ({ level, sentence })
}
const [debug, info, warn, error] = [at('debug'), at('info'), at('warn'), at('error')]

const lines: { readonly [Type in FactType]: Line<FactData[Type]> } = {
  'start.requested': info(() => 'Start was requested'),
  'stop.requested': info(({ failure }) => (failure ? `It has to end: ${placed(failure)}` : 'Stop was requested')),
  'cluster.reached': info(
    ({ clusterId, brokers }) => `Cluster ${clusterId} is reached, ${many(Object.keys(brokers).length, 'broker')}`,
  ),
  'cluster.unreachable': warn(({ sinceMs, failure }) => `No broker has answered for ${sinceMs} ms: ${placed(failure)}`),
  'cluster.moved': info(({ moves, reason }) => `${many(moves.length, 'broker')} moved to other endpoints (${reason})`),
  'cluster.membership-changed': info(
    ({ joined, left }) => `Brokers came: ${joined.join(', ') || 'none'}; went: ${left.join(', ') || 'none'}`,
  ),
  'cluster.refused': error(
    ({ endpoint, got, expected }) => `${endpoint} belongs to cluster ${got}, expected ${expected}; it is not used`,
  ),
  'source.failed': warn(({ failure }) => `The source of brokers failed, its last list is used: ${failure.message}`),
  'source.recovered': info(() => 'The source of brokers works again'),
  'endpoint.refused': error(
    ({ nodeId, endpoint, failure }) => `Broker ${nodeId} at ${endpoint} is refused: ${placed(failure)}`,
  ),
  'endpoint.healed': info(({ nodeId, endpoint }) => `Broker ${nodeId} at ${endpoint} is accepted again`),
  'link.reconnected': debug(
    ({ nodeId, endpoint, tookMs }) => `Broker ${nodeId} is connected at ${endpoint} after ${tookMs} ms`,
  ),
  'wires.opened': info(() => 'A client of KafkaJS connects'),
  'wires.closed': info(() => 'No client of KafkaJS is connected any more'),
  'wires.caught-up': info(
    ({ tookMs, forced }) =>
      `Clients are connected at the new places after ${tookMs} ms${forced ? ', not all of them' : ''}`,
  ),
  'response.lost': warn(({ request, failure }) => `The response to ${request} was lost: ${failure.message}`),
  'session.opened': info(({ epoch }) => `Session ${epoch} is opened`),
  'session.joined': info(({ memberId, generation }) => `The group is joined as ${memberId}, generation ${generation}`),
  'session.failed': warn(({ epoch, failure }) => `Session ${epoch} failed: ${placed(failure)}`),
  'session.stalled': warn(({ epoch, failure }) => `Session ${epoch} makes no progress: ${failure.message}`),
  'session.fenced': info(({ epoch }) => `Session ${epoch} is fenced`),
  'member.named': debug(({ memberId }) => `The group knows us as ${memberId}`),
  'join.requested': debug(() => 'KafkaJS asks to join again'),
  'member.joined': debug(({ memberId, generation }) => `Member ${memberId} is in generation ${generation}`),
  'member.fenced': debug(({ generation }) => `Our member of generation ${generation} is unknown`),
  'member.refused': debug(({ failure }) => `The group refused our member: ${failure.message}`),
  'leave.requested': debug(() => 'Our member is about to leave'),
  'member.lost': warn(({ memberId, failure }) => `Member ${memberId} is lost: ${failure.message}`),
  'member.superseded': error(({ memberId, failure }) => `Member ${memberId} was superseded: ${failure.message}`),
  'member.evicted': info(({ memberId }) => `Member ${memberId} has left the group`),
  'group.rebalancing': info(({ generation }) => `The group rebalances after generation ${generation}`),
  'partitions.assigned': info(({ partitions }) => `Partitions assigned: ${list(partitions)}`),
  'partitions.revoked': info(({ partitions }) => `Partitions revoked: ${list(partitions)}`),
  'partitions.lost': warn(({ partitions }) => `Partitions lost: ${list(partitions)}`),
  'partitions.unread': error(
    ({ topics }) =>
      `The group gave us partitions of ${topics.join(', ')}, which we did not subscribe to: nobody reads them`,
  ),
  'topic.observed': debug(({ topic, partitions }) => `${topic} has ${many(partitions, 'partition')}`),
  'topic.grown': info(({ topic, partitions }) => `${topic} has ${many(partitions, 'partition')} now`),
  'topic.missing': error(({ topic }) => `${topic} does not exist any more; its partitions wait for it`),
  'topic.denied': error(
    ({ topic }) => `This user may not read ${topic} any more; its partitions wait for that right (ACL Read)`,
  ),
  'topic.found': warn(({ topic, recreated }) =>
    recreated ? `${topic} was made again and is read from its start` : `${topic} is there again`,
  ),
  'subscription.changed': info(({ topics }) => `The subscription matches other topics now: ${topics.join(', ')}`),
  'subscription.unmatched': warn(
    ({ expressions }) => `No topic matches ${expressions.join(', ')}; one that comes is seen within metadataMaxAge`,
  ),
  'drain.completed': info(({ tookMs, forced }) => `Drained in ${tookMs} ms${forced ? ', by force' : ''}`),
  'rebuild.proven': info(
    ({ tookMs, gapMs }) => `The hand-over is complete after ${tookMs} ms, the gap was ${gapMs} ms`,
  ),
  'rebuild.unproven': warn(({ failure }) => `The hand-over could not be completed: ${failure.message}`),
  'retry.scheduled': info(({ attempt, waitMs }) => `Attempt ${attempt} follows in ${waitMs} ms`),
  'backoff.elapsed': debug(({ attempt }) => `Attempt ${attempt} begins`),
  'consumer.failed': error(({ failure }) => `The consumer stops permanently: ${placed(failure)}`),
  'stop.completed': info(({ tookMs, forced }) => `Stopped in ${tookMs} ms${forced ? ', by force' : ''}`),
  'offsets.salvaged': info(({ partitions }) => `The progress of ${many(partitions, 'partition')} is salvaged`),
  'offset.reset': debug(({ topic, partition, offset }) => `${topic}/${partition} begins at ${offset}`),
  'offsets.lost': error(
    ({ topic, partition, from, to, next, reason }) =>
      `${topic}/${partition}: the log was ${reason}, ${from === to ? 'nothing unhandled is' : `offsets from ${from} to before ${to} are`} lost; reading goes on at ${next}`,
  ),
  'callback.failed': warn(({ failure }) => `A callback for partitions failed: ${failure.message}`),
  'commit.failed': warn(({ failure }) => `A commit failed: ${failure.message}`),
  'batch.fenced': debug(
    ({ topic, partition, offset }) => `${topic}/${partition} ${offset} is not handed out, it is another member's`,
  ),
  'result.fenced': debug(
    ({ topic, partition, offset }) =>
      `${topic}/${partition} ${offset} was handled and is not committed, it is another member's`,
  ),
  'mark.dropped': info(
    ({ topic, partition, mark, committed }) =>
      `${topic}/${partition} goes on at ${committed} instead of ${mark}, somebody else committed`,
  ),
  'handler.failed': warn(
    ({ topic, partition, offset, attempt, failure }) =>
      `The handler failed for ${topic}/${partition} ${offset}, call ${attempt}: ${failure.message}`,
  ),
  'handler.gave-up': error(
    ({ topic, partition, offset, decision }) =>
      `The policy has decided for ${topic}/${partition} ${offset}: ${decision}`,
  ),
  'policy.failed': error(
    ({ topic, partition, offset, failure }) =>
      `Nothing is decided about ${topic}/${partition} ${offset}, ${failure.message}; it is asked again`,
  ),
  'handler.timed-out': error(
    ({ topic, partition, offset, afterMs }) =>
      `The handler for ${topic}/${partition} ${offset} is at work for ${afterMs} ms`,
  ),
  'partition.stalled': error(({ partitions, reason }) => `No progress in ${list(partitions)}: ${reason}`),
  'partition.resumed': info(({ partitions }) => `Progress again in ${list(partitions)}`),
  'partition.degraded': warn(
    ({ topic, partition, offset, reason, attempts, forMs, ageMs, lag }) =>
      `${topic}/${partition} is ${reason === 'paused' ? 'paused by its policy' : 'held by its handler'} at ${offset}: ${many(attempts, 'call')} failed, the first ${forMs} ms ago; the message is ${ageMs} ms old, the lag ${lag}`,
  ),
  'partition.recovered': info(({ topic, partition }) => `The handler goes on in ${topic}/${partition}`),
  'sampler.activated': info(({ readBackMs }) => `Reads the metrics, from ${readBackMs} ms ago on`),
  'sampler.relieved': info(() => 'Another sampler reads the metrics'),
  'samples.silenced': warn(({ forMs }) => `No sample has come for ${forMs} ms`),
  'samples.resumed': info(({ afterMs }) => `Samples come again, after ${afterMs} ms`),
  'metrics-topic.missing': warn(() => 'The topic of metrics is not there'),
  'metrics-topic.found': info(
    ({ recreated }) => `The topic of metrics is ${recreated ? 'another one now' : 'there again'}`,
  ),
  'metrics-topic.grown': info(({ partitions }) => `The topic of metrics has ${partitions} partitions`),
  'record.skipped': warn(
    ({ topic, partition, offset, reason, head, count }) =>
      `Skipped ${topic}/${partition} at ${offset}: ${reason}, ${count} so far; it begins with ${head}`,
  ),
  'question.failed': warn(
    ({ question, nodeId, why }) =>
      `${question} was not asked of ${nodeId === null ? 'any broker' : `broker ${nodeId}`}: ${why}`,
  ),
  'delta.voided': info(({ topic, partition, why }) => `${topic}/${partition} is measured from now on: it was ${why}`),
  'samples.fresh': info(() => 'Figures of the load are new enough to decide on'),
  'samples.stale': warn(({ since, reason }) =>
    since === null
      ? 'Nothing is decided: no figures of the load have come'
      : `Nothing is decided: the newest figures of the load are of ${new Date(since).toISOString()} (${reason})`,
  ),
  'balancer.paused': info(() => 'The balancer is paused'),
  'balancer.resumed': info(() => 'The balancer goes on'),
  'round.begun': info(({ round }) => `Round ${round} begins`),
  'plan.proposed': info(
    ({ round, steps, bytes }) => `Round ${round} proposes ${many(steps, 'step')}, ${bytes} bytes to copy`,
  ),
  'execution.begun': info(({ round }) => `The plan of round ${round} is carried out`),
  'execution.ended': info(
    ({ round, moved, failed, reason }) =>
      `The plan of round ${round}: ${many(moved, 'step')} done, ${failed} failed${reason ? `; ended early: ${reason}` : ''}`,
  ),
  'step.begun': info(
    ({ topic, partition, kind, from, to }) =>
      `${kind === 'leader' ? 'Leadership' : 'A replica'} of ${topic}/${partition} goes from broker ${from} to ${to}`,
  ),
  'step.ended': info(
    ({ topic, partition, to, result, reason }) =>
      `The step of ${topic}/${partition} to broker ${to}: ${result}${reason === null ? '' : ` (${reason})`}`,
  ),
  'throttle.set': info((data) => `${throttle(data)} is set to ${data.value}; before: ${data.before ?? 'nothing'}`),
  'throttle.restored': info((data) => `${throttle(data)} is again ${data.value ?? 'not set'}`),
  'throttle.left': warn((data) => `${throttle(data)} stays: ${data.reason}`),
  'throttle.found': warn((data) => `${throttle(data)} is ${data.value}, and no record says who set it`),
  'round.closed': info(({ round, result, failure }) =>
    failure ? `Round ${round} made no plan: ${placed(failure)}` : `Round ${round} is closed: ${result}`,
  ),
  'cooling.ended': debug(() => 'The next round may begin'),
  'event-loop.starved': warn(({ forMs }) => `The event loop was blocked for ${forMs} ms`),
  'journal.failed': error(
    ({ failure, policy }) =>
      `The journal failed, ${policy === 'degrade' ? 'facts are kept in memory only' : 'and the consumer ends'}: ${failure.message}`,
  ),
}

function throttle({ on, name, config }: { readonly on: string; readonly name: string; readonly config: string }) {
  return `${config} of ${name === '' ? 'all brokers' : `${on} ${name}`}`
}

/** The types of all records that listeners and loggers may hear of. */
export const factTypes: ReadonlySet<string> = new Set([
  ...Object.keys(lines),
  ...['actor.started', 'actor.stopped', 'actor.failed', 'journal.repaired', 'journal.snapshot'],
])
