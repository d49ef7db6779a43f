/** The Java client as a member: a process of `java` that runs clients/Reader.java with the jars of the broker. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { javaCommand, kafkaJars } from '../cluster/kafka-jars.ts'
import type { Member, MemberTask } from '../real/harness/member.ts'
import { until } from '../real/harness/until.ts'
import { contentOf } from '../real/harness/workload.ts'
import type { TimedHanded } from './client-process.ts'

export interface JavaMember extends Member {
  /** Ends it with SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
}

/** `brokers` is its bootstrap list; it knows no function. */
export async function javaMember({ name, brokers, groupId, topic, handle }: MemberTask): Promise<JavaMember> {
  const jars = await kafkaJars('4.4.0')
  const source = fileURLToPath(new URL('./clients/Reader.java', import.meta.url))
  const list = (typeof brokers === 'function' ? await brokers() : brokers) as readonly string[]
  const signal = new AbortController().signal
  const flags = ['-Xms64m', '-Xmx192m', '-XX:+UseSerialGC', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error']
  const child = spawn(javaCommand(), [...flags, '-cp', `${jars}/*`, source, list.join(','), groupId, topic], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-2000)
  })
  child.stdin.on('error', () => {})
  let generation = 0
  let owned: number[] = []
  const alive = () => child.exitCode === null && child.signalCode === null
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [kind, first = '', second = '', third = '', ...value] = line.split(' ')
    if (kind === 'owns') {
      generation = Number(first)
      owned = second === '' ? [] : second.split(',').map(Number)
    }
    if (kind === 'handed') {
      const content = contentOf(Buffer.from(value.join(' ')))
      const place = { partition: Number(first), offset: Number(second), startedAt: Number(third) }
      const handed: TimedHanded = { member: name, process: String(child.pid), ...place, ...content, signal }
      void handle(handed)
    }
  })
  const kill = async () => {
    if (!alive()) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  return {
    name,
    async start() {
      const missing = () => (owned.length > 0 || !alive() ? undefined : 'an assignment of the Java client')
      await until(missing, { deadlineMs: 60_000 })
      if (!alive()) throw new Error(`The Java client has ended: ${said.trim()}`)
    },
    async stop() {
      if (!alive()) return
      const gone = once(child, 'exit')
      child.stdin.end()
      await gone
    },
    kill,
    generation: () => generation,
    partitions: () => owned.toSorted((one, other) => one - other),
  }
}
