/**
 * The cluster by hand: starts it, prints its bootstrap list, and moves its listeners on a key press (or on a line of
 * input where there is no terminal).
 */
import { createInterface, emitKeypressEvents } from 'node:readline'
import { Command, InvalidArgumentError, Option } from 'commander'
import { startFront } from './front.ts'
import { startCluster } from './kafka-cluster.ts'
import { type KafkaVersion, kafkaVersions } from './kafka-jars.ts'
import { frontKeys, type Keys, restartKeys } from './keys.ts'

interface CliOptions {
  readonly kafka: KafkaVersion
  readonly tls?: true
  readonly restarts?: true
  readonly topic?: string
  readonly group?: string
}

const say = (line: string) => console.log(line)
const program = new Command('npm run cluster --')
  .description('A real Kafka cluster whose advertised listeners move on a key press.')
  .addOption(new Option('--kafka <version>', 'version of Kafka').choices(kafkaVersions).default('4.4.0'))
  .option('--restarts', 'move listeners by restarting the brokers, instead of by a front that moves them at once')
  .option('--tls', 'TLS with a certificate per broker and SCRAM-SHA-512 (with --restarts only)')
  .option('--topic <name>', 'create a topic of 6 partitions, replication 3', topicName)
  .option('--group <name>', 'let key c move the broker that coordinates this group, instead of broker 1')
  .allowExcessArguments(false)
  .parse()
const options = program.opts<CliOptions>()
if (options.tls && !options.restarts) {
  program.error('error: --tls needs --restarts: the front cannot read what the brokers encrypt')
}
if (options.group !== undefined && options.restarts)
  program.error('error: --group is for the front: leave --restarts out')

/** Runs what a key stands for, one after the other; resolves when the user is done. */
async function obey(keys: Keys): Promise<void> {
  const help = () =>
    say(`keys: ${[...keys].map(([key, { label }]) => `${key} ${label}`).join(' · ')} · h help · q quit`)
  help()
  for await (const key of pressed()) {
    if (key === 'q') return
    const action = keys.get(key)
    if (action === undefined) {
      if (key !== 'h') say(`No key ${JSON.stringify(key)}.`)
      help()
      continue
    }
    const startedAt = Date.now()
    try {
      say(`${action.label} …`)
      const outcome = await action.run()
      say(`${action.label}, ${Date.now() - startedAt} ms. ${outcome}`)
    } catch (error) {
      say(`${action.label} failed: ${error instanceof Error ? error.message : error}`)
    }
  }
}

/** Keys as they are pressed in a terminal, else the characters of each line of input. Ends with the input or Ctrl-C. */
async function* pressed(): AsyncGenerator<string> {
  if (!process.stdin.isTTY) {
    for await (const line of createInterface({ input: process.stdin })) yield* line.replaceAll(' ', '')
    return
  }
  emitKeypressEvents(process.stdin)
  process.stdin.setRawMode(true)
  const waiting: string[] = []
  let wake = () => {}
  process.stdin.on('keypress', (text: string | undefined, key: { ctrl: boolean; name?: string }) => {
    // a terminal in raw mode hands Ctrl-C over as a key
    waiting.push(key.ctrl && (key.name === 'c' || key.name === 'd') ? 'q' : (text ?? ''))
    wake()
  })
  try {
    for (;;) {
      const key = waiting.shift()
      if (key !== undefined) yield key
      else await new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    process.stdin.setRawMode(false)
    process.stdin.pause()
  }
}

function topicName(name: string): string {
  if (/^[\w.-]{1,249}$/.test(name) && name !== '.' && name !== '..') return name
  throw new InvalidArgumentError('Expected letters, digits, dots, dashes and underscores, at most 249.')
}

async function main(): Promise<void> {
  await using cluster = await startCluster({
    version: options.kafka,
    security: options.tls ? 'tls-scram' : 'plain',
    bindFixed: !options.restarts,
    onProgress: say,
  })
  if (options.topic !== undefined) await cluster.createTopic(options.topic)
  say(`cluster id ${cluster.clusterId}, ${cluster.residentMb()} MB`)
  say(`INTERNAL, never moves: ${cluster.internal.join(',')}`)
  if (cluster.sasl !== undefined) {
    say(
      `login: ${cluster.sasl.mechanism}, user ${cluster.sasl.username}, password ${cluster.sasl.password}; authority:`,
    )
    say(cluster.ca ?? '')
  }
  if (options.restarts) {
    say(`bootstrap: ${cluster.endpoints().join(',')}`)
    await obey(restartKeys(cluster))
  } else {
    await using front = await startFront(cluster)
    say(`bootstrap: ${front.endpoints().join(',')}`)
    await obey(frontKeys(cluster, front, options.group))
  }
  say('Stopping the cluster')
}

await main().catch((error: Error) => {
  say(error.message)
  process.exitCode = 1
})
