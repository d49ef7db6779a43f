// The quick start of the README as a project of its own: its code in a fresh folder that has this package installed, compiled
// as a user would compile it, and run under plain Node.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { codeBlocks } from './markdown.ts'

const root = join(import.meta.dirname, '..')

/** What the README says in TypeScript; the quick start comes first. */
export const readmeCode = async (): Promise<string[]> =>
  codeBlocks(await readFile(join(root, 'README.md'), 'utf8'), 'ts')

/** What the reference says in TypeScript. */
export async function referenceCode(): Promise<string[]> {
  const names = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).toSorted()
  const documents = await Promise.all(names.map((name) => readFile(join(root, 'docs', name), 'utf8')))
  return documents.flatMap((document) => codeBlocks(document, 'ts'))
}

export interface Project extends AsyncDisposable {
  /** Writes a file beside the compiled code. */
  write(name: string, text: string): Promise<void>
  /** Compiles `<name>.ts` to `<name>.js`. Rejects with what the compiler says. */
  compile(...names: string[]): Promise<void>
  /** Runs `<name>.js`. */
  run(name: string): Program
}

export interface Program extends AsyncDisposable {
  /** What it has written to standard output so far. */
  readonly printed: string
  /** What it has written to standard error so far. */
  readonly complained: string
  /** The exit code; null while it runs, or when a signal has ended it. A signal that comes after its last line of code changes nothing here. */
  readonly exitCode: number | null
  signal(name: NodeJS.Signals): void
  /** Resolves when it has a listener for SIGTERM: before that the signal ends it as it ends any program. Rejects when it ends without. */
  listens(): Promise<void>
  /** Resolves when it has ended. */
  ended(): Promise<void>
}

/** A project in a folder of its own. Needs the built package. */
export async function createProject(): Promise<Project> {
  if (!existsSync(join(root, 'dist/src/index.js')))
    throw new Error('dist/ is missing or incomplete. Run "npm run build" first.')
  const folder = await mkdtemp(join(tmpdir(), 'relisten-quick-start-'))
  await installed(folder, 'relisten', root)
  const telemetry = ['api', 'exporter-prometheus', 'sdk-metrics'].map((name) => `@opentelemetry/${name}`)
  const nest = ['common', 'core', 'microservices'].map((name) => `@nestjs/${name}`)
  for (const name of ['@statelyai/inspect', '@types/node', 'kafkajs', 'reflect-metadata', ...telemetry, ...nest])
    await installed(folder, name)
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
  const programs: Program[] = []
  return {
    // In one step: a program that reads it each second sees no half of it.
    async write(name, text) {
      await writeFile(join(folder, `.${name}`), text)
      await rename(join(folder, `.${name}`), join(folder, name))
    },
    async compile(...names) {
      const config = { compilerOptions, files: names.map((name) => `${name}.ts`) }
      await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
      await promisify(execFile)(join(root, 'node_modules/.bin/tsc'), [], { cwd: folder, timeout: 60_000 }).catch(
        ({ message, stdout = '' }: Error & { stdout?: string }) => {
          throw new Error(`The compiler refuses it: ${stdout || message}`)
        },
      )
    },
    run(name) {
      const program = runProgram(folder, `${name}.js`)
      programs.push(program)
      return program
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(programs.map((program) => program[Symbol.asyncDispose]()))
      await rm(folder, { recursive: true })
    },
  }
}

const compilerOptions = {
  ...{ target: 'es2023', lib: ['es2023', 'esnext.disposable'], module: 'nodenext', types: ['node'] },
  ...{
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    experimentalDecorators: true,
  },
}

async function installed(folder: string, name: string, from = join(root, 'node_modules', name)): Promise<void> {
  const link = join(folder, 'node_modules', name)
  await mkdir(dirname(link), { recursive: true })
  await symlink(from, link)
}

/** Runs before the program, and says on a channel of its own that there is a listener for SIGTERM now, and the code with which it is about to exit. */
const herald = `data:text/javascript,${encodeURIComponent(`
  import { writeSync } from 'node:fs'
  process.on('newListener', (event) => event === 'SIGTERM' && writeSync(3, 'listens'))
  process.on('exit', (code) => writeSync(3, 'exits ' + code))
`)}`

function runProgram(folder: string, file: string): Program {
  const { NODE_OPTIONS: _, ...env } = process.env
  const child: ChildProcess = spawn(process.execPath, ['--import', herald, file], {
    ...{ cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] },
  })
  const closed = once(child, 'close')
  const channel = child.stdio[3] as Readable
  let heard = ''
  channel.on('data', (chunk: Buffer) => {
    heard += chunk
  })
  const listens = Promise.race([
    once(channel, 'data'),
    closed.then(() => {
      throw new Error('It has ended before it listened for SIGTERM')
    }),
  ])
  listens.catch(() => {})
  let printed = ''
  let complained = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    complained += chunk
  })
  return {
    get printed() {
      return printed
    },
    get complained() {
      return complained
    },
    get exitCode() {
      const [, code] = /exits (\d+)$/.exec(heard) ?? []
      return child.exitCode ?? (child.signalCode && code ? Number(code) : null)
    },
    signal: (name) => void child.kill(name),
    async listens() {
      await listens
    },
    async ended() {
      await closed
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await closed
    },
  }
}
