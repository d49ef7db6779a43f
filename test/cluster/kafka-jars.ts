/**
 * The jars of an Apache Kafka broker, fetched once per version with Maven and kept in the user's cache folder, outside
 * the checkout.
 */
import { execFile, spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export type KafkaVersion = '4.4.0' | '3.9.1'

export const kafkaVersions: readonly KafkaVersion[] = ['4.4.0', '3.9.1']

export interface JarOptions {
  /** Called about twice a second while jars arrive, with a line to show. Not called when the cache has them. */
  readonly onProgress?: ((line: string) => void) | undefined
}

const mavenCommand = 'mvn'

/** `java` to run brokers with: that of JAVA_HOME when set, else the one on the path. */
export const javaCommand = (): string => (process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin', 'java') : 'java')

/** Resolves with the folder of the jars. Refuses in one sentence when Java 17 or Maven is missing, or the fetch fails. */
export async function kafkaJars(version: KafkaVersion, { onProgress = () => {} }: JarOptions = {}): Promise<string> {
  if (!kafkaVersions.includes(version)) {
    throw new RangeError(`Expected the Kafka version to be one of ${kafkaVersions.join(', ')}, got ${version}`)
  }
  await assertJava()
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'relisten')
  const folder = join(cache, `kafka-${version}`)
  if (existsSync(folder)) return folder

  await mkdir(cache, { recursive: true })
  // a broken download never counts: the final name appears by a rename of the complete folder
  const partial = await mkdtemp(join(cache, `partial-${version}-`))
  try {
    await fetchJars(version, partial, onProgress)
    await rename(partial, folder).catch((error) => {
      if (!existsSync(folder)) throw error // otherwise another process was quicker
    })
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
  return folder
}

async function assertJava(): Promise<void> {
  const java = javaCommand()
  const said = await new Promise<string>((resolve) => {
    execFile(java, ['-version'], (error, stdout, stderr) => resolve(error ? '' : `${stdout}${stderr}`))
  })
  const major = Number(/version "(?:1\.)?(\d+)/.exec(said)?.[1] ?? 0)
  if (major >= 17) return
  const found = major === 0 ? `\`${java}\` does not run` : `\`${java}\` is Java ${major}`
  throw new Error(`The test cluster needs Java 17 or newer, but ${found}: install a JDK or JRE, or set JAVA_HOME.`)
}

function fetchJars(version: KafkaVersion, folder: string, onProgress: (line: string) => void): Promise<void> {
  const pom = join(dirname(fileURLToPath(import.meta.url)), 'pom.xml')
  const settings = ['-DincludeScope=runtime', `-DoutputDirectory=${folder}`, `-Dkafka.version=${version}`]
  const maven = spawn(mavenCommand, ['-B', '-q', '-f', pom, 'dependency:copy-dependencies', ...settings], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  maven.stdout.on('data', (chunk) => (said += chunk))
  maven.stderr.on('data', (chunk) => (said += chunk))
  const startedAt = Date.now()
  const report = setInterval(() => onProgress(progress(version, folder, startedAt)), 500)

  return new Promise<void>((resolve, reject) => {
    maven.once('error', () =>
      reject(
        new Error(
          `The test cluster fetches Kafka with Maven, but \`${mavenCommand}\` does not run: install Maven 3.6 or newer.`,
        ),
      ),
    )
    maven.once('close', (code) => {
      if (code === 0 && readdirSync(folder).some((name) => name.startsWith('kafka_'))) {
        onProgress(progress(version, folder, startedAt))
        return resolve()
      }
      const tail = said.trim().split('\n').slice(-8).join('\n')
      reject(
        new Error(`Maven could not fetch Kafka ${version} (exit code ${code}); is the network up? It said:\n${tail}`),
      )
    })
  }).finally(() => clearInterval(report))
}

function progress(version: KafkaVersion, folder: string, startedAt: number): string {
  const jars = readdirSync(folder).filter((name) => name.endsWith('.jar'))
  const bytes = jars.reduce(
    (sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  )
  const seconds = Math.round((Date.now() - startedAt) / 1000)
  return `Fetching Kafka ${version}: ${jars.length} jars, ${Math.round(bytes / 1e6)} MB, ${seconds} s`
}
