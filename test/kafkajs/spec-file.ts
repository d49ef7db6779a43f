/** One file of tests, in a process of its own. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Outcome {
  /** The titles around it and its own; with a number where a file has it more than once. */
  readonly title: string
  readonly status: 'passed' | 'failed' | 'skipped'
  /** What Jest says of a failure. */
  readonly why?: string
}

/** What `follow` has done for the clients of a file. */
export interface Followed {
  readonly clients: number
  readonly moves: number
  readonly reconnects: number
  readonly outages: number
  readonly lostResponses: number
}

export interface Tried {
  readonly tests: readonly Outcome[]
  /** Nothing on stock. */
  readonly followed?: Followed
}

export interface SpecFile {
  /** The checkout. */
  readonly folder: string
  /** From the root of the checkout. */
  readonly file: string
  /** The file that has the endpoints. */
  readonly listeners: string
  /** The module that has `follow`; without it the tests' sockets are KafkaJS's own. */
  readonly relisten?: string
  /** Ends the process. */
  readonly signal: AbortSignal
}

interface Reported {
  readonly testResults: readonly {
    readonly message: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly failureMessages: readonly string[] | null
    }[]
  }[]
}

/** A test has 90 s, and the longest file about twenty tests that may all fail. */
const DEADLINE_MS = 900_000

export async function runSpecFile({ folder, file, listeners, relisten, signal }: SpecFile): Promise<Tried> {
  const aside = await mkdtemp(join(tmpdir(), 'relisten-spec-'))
  const [report, account] = [join(aside, 'report.json'), join(aside, 'followed.json')]
  const config = {
    rootDir: folder,
    moduleNameMapper: { '^testHelpers$': join(import.meta.dirname, 'seam.cjs') },
    setupFilesAfterEnv: ['<rootDir>/testHelpers/setup.js'],
    testRunner: join(folder, 'node_modules/jest-circus/runner.js'),
    testEnvironment: join(import.meta.dirname, 'environment.cjs'),
    testRegex: '(/|\\.)spec\\.js$',
  }
  const settings = ['--config', JSON.stringify(config), '--json', `--outputFile=${report}`]
  const jest = spawn(
    process.execPath,
    [join(folder, 'node_modules/jest/bin/jest.js'), ...settings, '--ci', '--runInBand', '--forceExit', file],
    {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        NODE_ENV: 'test',
        KAFKA_VERSION: '2.4',
        KAFKAJS_DEBUG_PROTOCOL_BUFFERS: '1',
        RELISTEN_SUITES: JSON.stringify({ listeners, relisten, account }),
      },
      signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
      killSignal: 'SIGKILL',
    },
  )
  let said = ''
  jest.stderr.on('data', (chunk) => (said = `${said}${chunk}`.slice(-4000)))
  // 'close' follows and says all that matters
  jest.on('error', () => {})
  try {
    await new Promise((resolve) => jest.once('close', resolve))
    signal.throwIfAborted()
    const text = await readFile(report, 'utf8').catch(() => undefined)
    if (text === undefined) {
      return { tests: [{ title: '(the file)', status: 'failed', why: `It ended without a report: ${said}` }] }
    }
    const followed = relisten && JSON.parse(await readFile(account, 'utf8'))
    return { tests: outcomesOf(JSON.parse(text)), ...(followed && { followed }) }
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
}

export function outcomesOf({ testResults }: Reported): Outcome[] {
  const seen = new Map<string, number>()
  return testResults.flatMap(({ message, assertionResults }) => {
    if (assertionResults.length === 0) return [{ title: '(the file)', status: 'failed' as const, why: message }]
    return assertionResults.map(({ fullName, status, failureMessages }) => {
      const count = (seen.get(fullName) ?? 0) + 1
      seen.set(fullName, count)
      const title = count === 1 ? fullName : `${fullName} (${count})`
      if (status === 'passed') return { title, status }
      if (status === 'failed') return { title, status, why: (failureMessages ?? []).join('\n') }
      return { title, status: 'skipped' as const }
    })
  })
}
