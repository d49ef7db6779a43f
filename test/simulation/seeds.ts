// Seeds that once found a bug, with what it was. They run before all others, each with the dimensions it had then.

export interface KeptSeed {
  readonly seed: number
  /** None where it is left out. */
  readonly dimensions?: readonly string[]
  readonly found: string
}

export const keptSeeds: readonly KeptSeed[] = [
  { seed: 1, found: 'pause() of a user threw while KafkaJS was being replaced' },
  {
    seed: 6,
    found: 'a policy that says retry called a handler that throws without a pause, and nothing else ran any more',
  },
  { seed: 11, found: 'a commit that was given up went out again behind a later one' },
  { seed: 23, found: 'a source that never answers was never asked again' },
  { seed: 35, found: 'batches that a drain turned down were fetched again without a pause, a journal record for each' },
  { seed: 37, found: 'a login that was cut off left a timer of KafkaJS that fires each millisecond' },
  { seed: 42, found: 'a stop during a join left the watchdog behind' },
  { seed: 53, found: 'a seek of a partition that its backlog had paused left it paused for ever' },
  {
    seed: 28,
    found: 'with the clock set back and no broker in reach, a request for metadata kept the event loop for itself',
  },
  { seed: 8, found: 'KafkaJS went on connecting for ever after a stop during a join' },
  { seed: 316, found: 'a join that ended during a stop handed out messages' },
  { seed: 542, found: 'an old commit that comes late sets the group back (a known gap: handled twice, with a fact)' },
  { seed: 712, found: 'with the clock set back, a dead connection went unnoticed for as long as the clock was behind' },
  { seed: 2341, found: 'a commit between an assignment and its positions took back what another member had committed' },
  { seed: 55, found: 'another listener of a node out of reach was dialled twenty times a second' },
  {
    seed: 145,
    dimensions: [
      ...['pauses by topic', 'errors of partitions', 'handlers throw anything', 'logins expire', 'throttles'],
      ...['connections are forgotten', 'narrow lines'],
    ],
    found: 'a login that was renewed cut off the requests that waited for slow answers',
  },
  {
    seed: 43,
    dimensions: ['transactions', 'long waits'],
    found: 'waits for leaders went on for as long as maxWaitTimeInMs after a stop',
  },
  {
    seed: 6030,
    dimensions: ['logs are cut', 'seeks on assignment', 'two listeners'],
    found:
      'nodes that changed just before a stop left KafkaJS with fetchers that nobody stops, in a loop without a pause',
  },
  {
    seed: 5349,
    found: 'a forbidden place that metadata named for a while was kept for ever, although the node answered elsewhere',
  },
  {
    seed: 1019,
    dimensions: ['errors of partitions', 'throttles', 'slow brokers'],
    found: 'KafkaJS held look-ups of leaders for a throttled fetch, for ever where the clock was set back',
  },
  {
    seed: 5025,
    dimensions: ['topics are deleted', 'held joins'],
    found: 'a place that was looked up in a topic made again was taken for one of the old topic, and read twice',
  },
  { seed: 2943, found: 'with the clock set back, a move back to earlier addresses was not believed' },
  {
    seed: 1198,
    dimensions: ['pauses by topic', 'connections are forgotten'],
    found: 'a connection that had vanished was kept for as long as commits went out over it',
  },
  {
    seed: 2447,
    dimensions: ['partitions are added', 'seeks on assignment', 'names'],
    found:
      'a seek between two attempts to look a place up was overridden by what was found, and a leader that came back into reach lost its new connection at once',
  },
  {
    seed: 1290,
    dimensions: ['logs are cut', 'seeks at any instant', 'pauses by topic', 'long waits'],
    found: 'a message at work was handed out again where the log was cut ahead of it',
  },
  {
    seed: 9006,
    dimensions: ['logs are cut', 'seeks on assignment', 'styles of eachBatch', 'held joins'],
    found:
      'with a seek that was not committed before its partition went elsewhere, what was handled before it was forgotten',
  },
  {
    seed: 4325,
    dimensions: ['topics are deleted', 'batches are packed', 'held joins'],
    found:
      'a commit of a topic that ended after it was made again was taken for one of the new topic, and as the group then stood there, that was read twice',
  },
  {
    seed: 4598,
    dimensions: ['batches are packed', 'connections are forgotten'],
    found:
      'the end of a leader epoch was asked for over a dead connection alone, and all partitions of its node waited',
  },
  {
    seed: 20002,
    dimensions: ['topics are deleted', 'logs are cut', 'two listeners', 'held joins'],
    found: 'a mark was put back into a topic that was made again while a join was held, and reading went on there',
  },
  {
    seed: 20003,
    dimensions: ['topics are deleted'],
    found: 'a fetch of a topic that went was sent again to a new address, and answered from the topic made again',
  },
  {
    seed: 20193,
    dimensions: ['topics are deleted', 'releases', 'slow brokers', 'narrow lines'],
    found: 'a late answer from the start of a deleted topic was taken for the start of the one made again',
  },
  {
    seed: 9383,
    dimensions: ['subscriptions differ'],
    found:
      'a join whose connection had died came to nothing, and KafkaJS fetched on with what it had before: the member joined never again, and kept its state',
  },
  {
    seed: 9459,
    dimensions: [
      ...['partitions are added', 'topics are deleted', 'pauses by topic', 'handlers throw anything'],
      ...['styles of eachBatch', 'connections are forgotten', 'held joins'],
    ],
    found:
      'after a join that came to nothing KafkaJS joined for new partitions once for each node, and left members behind',
  },
  {
    seed: 1224,
    dimensions: ['seeks at any instant', 'errors of partitions', 'logins fail', 'names'],
    found: 'a sought place was not committed before a rebalance where the look for the place before it was not over',
  },
  {
    seed: 7906,
    dimensions: ['errors of partitions'],
    found:
      'a commit that was applied, lost its answer and was refused with an error of the topic when it went out again was taken for somebody else’s: what was handled since came twice',
  },
  {
    seed: 7210,
    dimensions: ['topics are deleted', 'names'],
    found:
      'a place of a topic that went while it was looked up was taken for one of the topic made again, and read twice',
  },
  {
    seed: 7398,
    dimensions: ['logs are cut', 'releases', 'many partitions', 'held joins'],
    found: 'a log that was cut and grew to the very place that was committed, and no further, was never seen to be cut',
  },
  {
    seed: 20154,
    dimensions: ['topics are deleted', 'handlers throw anything'],
    found: 'a topic that was made again while no broker was in reach was read at the place of the old one',
  },
  {
    seed: 6161,
    dimensions: ['topics are deleted', 'seeks at any instant', 'errors of partitions', 'releases'],
    found: 'the same, in other circumstances: the places were those of messages nobody had been given',
  },
  {
    seed: 20222,
    dimensions: ['names', 'connections are forgotten'],
    found:
      'a dead connection was kept when the commit that waited on it was given up and the coordinator was elsewhere',
  },
  {
    seed: 12017,
    dimensions: ['logs are cut', 'errors of partitions', 'logins fail'],
    found:
      'what the leader before a cut had sent came after the position was validated: it moved it past another message',
  },
  {
    seed: 400,
    dimensions: [
      ...['partitions are added', 'seeks at any instant', 'options at their bounds', 'logins expire'],
      'long distances',
    ],
    found:
      'where brokers are far, a member of the life before had less time to leave than a dial takes: each attempt failed, and nothing was read',
  },
  {
    seed: 7289,
    dimensions: ['the event loop stands still', 'two listeners', 'connections are forgotten'],
    found:
      'a dead connection was kept when its last request went out in the instant of the answer before, and a second one answered it',
  },
  {
    seed: 157,
    dimensions: [
      ...['begins at the end', 'seeks on assignment', 'the event loop stands still', 'two listeners', 'held joins'],
      'long distances',
    ],
    found: 'a later join whose answer was lost with its connection was waited for until the member had expired',
  },
  {
    seed: 11264,
    dimensions: [
      ...['batches are packed', 'styles of eachBatch', 'connections are forgotten', 'many partitions'],
      'long distances',
    ],
    found: 'with the clock set back, KafkaJS heard of no rebalance, and the session was replaced for each',
  },
  {
    seed: 13_061,
    dimensions: ['logs are cut', 'many partitions', 'long distances', 'long waits'],
    found:
      'a fetch that had waited for its node was held for maxWaitTimeInMs, and kept what had become known meanwhile waiting',
  },
  {
    seed: 110,
    dimensions: ['partitions are added', 'logs are trimmed', 'static members'],
    found: 'partitions that came while the leader, a static member, was away were read by nobody when it was back',
  },
  {
    seed: 21489,
    dimensions: ['topics are deleted', 'names'],
    found:
      'one that saw late that a topic was made again began at its start, over what the member before it had handled and committed there',
  },
  {
    seed: 22734,
    dimensions: ['several topics', 'slow brokers'],
    found:
      'fetches that nobody waited for any more went out again at each reconnect, and stood before the one that somebody waited for',
  },
  {
    seed: 24345,
    dimensions: [
      ...['several topics', 'begins at the end', 'logs are cut', 'seeks at any instant', 'batches are packed'],
      ...['styles of eachBatch'],
    ],
    found:
      'of two leaders that were asked for the same, the answer of the later one hid a cut, as it began in the epoch read before',
  },
  {
    seed: 25040,
    dimensions: ['logs are trimmed', 'logs are cut', 'pauses by topic', 'logins expire', 'logins fail'],
    found:
      'a log that was cut at the message at work in a paused partition: the mark stepped over what came in its place',
  },
  {
    seed: 25175,
    dimensions: ['several topics', 'topics are deleted', 'seeks on assignment', 'subscriptions differ'],
    found: 'a topic was made again during a join, and what the first fetch after it brought was read twice',
  },
  {
    seed: 25263,
    dimensions: ['logins expire', 'releases'],
    found:
      'a connection that died while only an interrupted fetch was under way went unnoticed for as long as the join took',
  },
]

/** Seeds of producers. */
export const keptProducerSeeds: readonly KeptSeed[] = [
  { seed: 3, found: 'a send with a short timeout waited for one with a long one that was before it' },
  {
    seed: 7,
    found:
      'a connection died without a word; each Produce was given up before its link took the silence for anything, and nothing was sent any more',
  },
  {
    seed: 1556,
    found:
      'a Produce had gone out over a connection that another one had taken over from; when its node left, it was told as not written',
  },
  { seed: 89, found: 'what may have been written was told as refused, as it was when it was sent again' },
  { seed: 8, found: 'a Produce waited beyond its deadline for an answer to who leads' },
]
