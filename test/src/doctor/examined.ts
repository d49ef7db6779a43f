/** The doctor at work: as a shell runs it, and with options that no flag says. */
import { isIP, type LookupFunction } from 'node:net'
import { runCommand } from '../../../src/command-line/command.ts'
import { type Examination, examine } from '../../../src/doctor/examination.ts'
import type { ConsumerOptions } from '../../../src/index.ts'
import { resolveOptions } from '../../../src/options/options.ts'

/** Runs a command of `relisten` and resolves with what it printed. */
export async function relisten(...args: string[]) {
  const running = startRelisten(...args)
  return { code: await running.ended, out: running.out, error: running.error }
}

/** Starts a command of `relisten` that runs until it is interrupted, as on a terminal without colours. */
export function startRelisten(...args: string[]) {
  const out: string[] = []
  const error: string[] = []
  const drawn: string[] = []
  const interruption = new AbortController()
  const terminal = {
    out: (line: string) => void out.push(line),
    error: (line: string) => void error.push(line),
    draw: (text: string) => void drawn.push(text),
    interrupted: () => interruption.signal,
  }
  return { ended: runCommand(args, terminal), out, error, drawn, interrupt: () => interruption.abort() }
}

/** Examines with the options of a consumer; without group and topics none are looked at. */
export function examined({ groupId, topics = [], ...others }: Partial<ConsumerOptions>): Promise<Examination> {
  const needed = { groupId: 'doctor', topics: ['doctor'], eachMessage: () => {} }
  return examine({
    ...resolveOptions({ ...needed, ...others } as ConsumerOptions),
    ...{ groupId, topics: topics as readonly string[] },
  })
}

/** The codes of what was found, without the certificates of the tests, which all end soon. */
export const found = ({ findings }: Pick<Examination, 'findings'>): string[] =>
  findings.map(({ code }) => code).filter((code) => code !== 'certificate-ends-soon')

/** What was found with this code says so. */
export function whatOf({ findings }: Pick<Examination, 'findings'>, code: string): string {
  return findings.find((one) => one.code === code)?.what ?? `no finding ${code}`
}

/** Resolves these names, and no other. */
export const resolving =
  (names: Readonly<Record<string, string>>): LookupFunction =>
  (host, { all }, done) => {
    const address = names[host]
    const missing = Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' })
    if (address === undefined) done(missing, '')
    else if (all) done(null, [{ address, family: isIP(address) }])
    else done(null, address, isIP(address))
  }
