import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { kafkaJars } from './kafka-jars.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'relisten-jars-'))
  vi.stubEnv('PATH', folder)
  vi.stubEnv('JAVA_HOME', '')
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'))
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true })
})

test('a missing Java is one sentence', async () => {
  await expect(kafkaJars('4.4.0')).rejects.toThrow(
    'The test cluster needs Java 17 or newer, but `java` does not run: install a JDK or JRE, or set JAVA_HOME.',
  )
})

test.each(['11.0.2', '1.8.0_452'])('Java %s is too old', async (version) => {
  await command('java', `echo 'openjdk version "${version}"' >&2`)
  await expect(kafkaJars('4.4.0')).rejects.toThrow(/needs Java 17 or newer, but `java` is Java (8|11):/)
})

test('a missing Maven is one sentence', async () => {
  await command('java', `echo 'openjdk version "21" 2023-09-19' >&2`)
  await expect(kafkaJars('4.4.0')).rejects.toThrow('`mvn` does not run: install Maven')
})

test('a download that fails is told with what Maven said, and does not count', async () => {
  await command('java', `echo 'openjdk version "17.0.15"' >&2`)
  await command('mvn', 'echo "no route to host" >&2; exit 1')
  await expect(kafkaJars('4.4.0')).rejects.toThrow(/could not fetch Kafka 4.4.0 \(exit code 1\).*\n.*no route to host/)
  expect(await readdir(join(folder, 'cache', 'relisten'))).toEqual([])
})

test('a complete download is kept and used again', async () => {
  await command('java', `echo 'openjdk version "17.0.15"' >&2`)
  await command(
    'mvn',
    'for word in "$@"; do case $word in -DoutputDirectory=*) IFS="="; set -- $word; : > "$2/kafka_2.13.jar"; break;; esac; done',
  )
  const lines: string[] = []
  const jars = await kafkaJars('3.9.1', { onProgress: (line) => lines.push(line) })
  expect(await readdir(jars)).toEqual(['kafka_2.13.jar'])
  expect(lines.at(-1)).toMatch(/^Fetching Kafka 3.9.1: 1 jars, 0 MB/)
  await command('mvn', 'exit 1')
  expect(await kafkaJars('3.9.1')).toBe(jars)
})

async function command(name: string, script: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`)
  await chmod(join(folder, name), 0o755)
}
