/** The Java producer: a process of `java` that runs clients/Writer.java with the jars of the broker, with its defaults, which are idempotent. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { javaCommand, kafkaJars } from '../../cluster/kafka-jars.ts'
import { until, within } from '../../real/harness/until.ts'
import { BATCH, type Sent, type Stream, type Streaming } from './producer-process.ts'

/** Resolves when it has found the topic; it streams from then on. */
export async function startJavaProducer(list: readonly string[], { topic, everyMs }: Stream): Promise<Streaming> {
  const jars = await kafkaJars('4.4.0')
  const source = fileURLToPath(new URL('../clients/Writer.java', import.meta.url))
  const flags = ['-Xms64m', '-Xmx192m', '-XX:+UseSerialGC', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error']
  const task = [list.join(','), topic, String(BATCH), String(everyMs)]
  const child = spawn(javaCommand(), [...flags, '-cp', `${jars}/*`, source, ...task], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-2000)
  })
  child.stdin.on('error', () => {})
  const sends = new Map<number, Sent>()
  let isConnected = false
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [kind, first, at, error] = line.split(' ')
    if (kind === 'connected') isConnected = true
    if (kind === 'begun') sends.set(Number(first), { first: Number(first), at: Number(at) })
    const sent = kind === 'ended' ? sends.get(Number(first)) : undefined
    if (sent) Object.assign(sent, { endedAt: Number(at), ...(error !== undefined && { error }) })
  })
  const alive = () => child.exitCode === null && child.signalCode === null
  await until(() => (isConnected || !alive() ? undefined : 'the topic, for the Java producer'), { deadlineMs: 60_000 })
  if (!alive()) throw new Error(`The Java producer has ended: ${said.trim()}`)
  return {
    sends: { [Symbol.iterator]: () => sends.values() },
    async stop(waitMs) {
      if (!alive()) return
      const gone = once(child, 'exit')
      child.stdin.end()
      await within(waitMs, 'The end of the Java producer', gone).catch(() => {})
    },
    async kill() {
      if (!alive()) return
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
  }
}
