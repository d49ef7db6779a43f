// The sources as a graph of modules, and the rules this house has for it: which way imports may point, and through which door
// a dependency comes in.
import { readdir, readFile } from 'node:fs/promises'
import { join, posix } from 'node:path'

/** One source file: its path from the root, its lines, and what it imports: paths from the root, or package names as written. */
export interface SourceModule {
  readonly path: string
  readonly lines: number
  readonly imports: readonly string[]
}

/** From the bottom to the top: a file imports from its own folder and the ones before it. */
export const layers = ['machines', 'actors', 'src', 'page', 'test'] as const

/** Of sources, and of tests. */
const maxLines = { sources: 300, tests: 400 }
const fileName = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)?\.(tsx?|cjs)$/
const emptyWord = /\b(utils?|types|helpers?|common|manager|misc)\b/
/** The door to KafkaJS; what is required of its insides goes no further. */
const kafkaRoom = 'actors/kafkajs'
const kafkaParts = `${kafkaRoom}/parts.cjs`

/** Reads every source file of the layers that exist under `root`. */
export async function readModules(root: string): Promise<SourceModule[]> {
  const modules: SourceModule[] = []
  for (const layer of layers) {
    const names = await readdir(join(root, layer), { recursive: true }).catch(() => [])
    for (const name of names.filter((each) => /\.(tsx?|cjs)$/.test(each)).sort()) {
      const path = posix.join(layer, name)
      modules.push(parseModule(path, await readFile(join(root, path), 'utf8')))
    }
  }
  return modules
}

export function parseModule(path: string, text: string): SourceModule {
  const code = text.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/^\s*\/\/.*$/gm, '')
  const found = code.matchAll(/\b(?:from|import|require)\s*\(?\s*(['"])([^'"\n]+)\1/g)
  const imports = [...found].map(([, , name = '']) => {
    return name.startsWith('.') ? posix.join(posix.dirname(path), name) : name
  })
  return { path, lines: text.trimEnd().split('\n').length, imports: [...new Set(imports)] }
}

/** One sentence for each rule that a module breaks. */
export function violations(modules: readonly SourceModule[]): string[] {
  const pinoDoors = modules.filter(({ path, imports }) => layerOf(path) !== 'test' && imports.some(isOf('pino')))
  return [
    ...modules.flatMap((module) => [...arrowViolations(module), ...doorViolations(module), ...shapeViolations(module)]),
    ...(pinoDoors.length > 1
      ? [`pino is imported in more than one file: ${pinoDoors.map(({ path }) => path).join(', ')}`]
      : []),
    ...cycles(modules).map((cycle) => `imports go in a circle: ${cycle.join(' → ')}`),
    ...cycles(rooms(modules))
      .filter((cycle) => cycle.some((name) => !name.endsWith('.ts')))
      .map((cycle) => `folders import each other: ${cycle.join(' → ')}`),
  ]
}

function arrowViolations({ path, imports }: SourceModule): string[] {
  return imports
    .filter((name) => isFile(name) && rank(name) > rank(path))
    .map((name) => `${path} imports ${name}, against the arrows ${layers.toReversed().join(' → ')}`)
}

function doorViolations({ path, imports }: SourceModule): string[] {
  const layer = layerOf(path)
  return imports
    .filter((name) => !isFile(name) || (name === kafkaParts && roomOf(path) !== kafkaRoom))
    .filter((name) => {
      if (name === kafkaParts) return true
      if (layer === 'test') return false
      if (layer === 'machines') return !isOf('xstate')(name)
      if (isOf('kafkajs')(name)) return roomOf(path) !== kafkaRoom
      return isOf('pino')(name) && layer !== 'src'
    })
    .map((name) => `${path} imports ${name}, which is not its door`)
}

function shapeViolations({ path, lines }: SourceModule): string[] {
  const bad: string[] = []
  const most = layerOf(path) === 'test' ? maxLines.tests : maxLines.sources
  if (lines > most) bad.push(`${path} has ${lines} lines, more than ${most}`)
  if (!fileName.test(posix.basename(path))) bad.push(`${path} is not named in kebab-case`)
  if (emptyWord.test(path)) bad.push(`${path} is not named after a thing`)
  return bad
}

/** The folders within the houses, each as one module that imports what its files do; a file that is in none stands for itself. */
function rooms(modules: readonly SourceModule[]): SourceModule[] {
  const found = new Map<string, SourceModule>()
  for (const { path, imports } of modules.filter((module) => layerOf(module.path) !== 'test')) {
    const room = roomOf(path)
    const others = imports.filter(isFile).map(roomOf)
    const before = found.get(room)?.imports ?? []
    found.set(room, {
      path: room,
      lines: 0,
      imports: [...new Set([...before, ...others])].filter((name) => name !== room),
    })
  }
  return [...found.values()]
}

function cycles(modules: readonly Pick<SourceModule, 'path' | 'imports'>[]): string[][] {
  const byPath = new Map(modules.map((module) => [module.path, module]))
  const done = new Set<string>()
  const found: string[][] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start >= 0) found.push([...trail.slice(start), path])
    if (start >= 0 || done.has(path)) return
    for (const name of byPath.get(path)?.imports ?? []) visit(name, [...trail, path])
    done.add(path)
  }
  for (const path of byPath.keys()) visit(path, [])
  return found
}

function layerOf(path: string): string {
  return path.split('/')[0] ?? ''
}

function roomOf(path: string): string {
  const parts = path.split('/')
  return parts.length > 2 ? parts.slice(0, 2).join('/') : path
}

function rank(path: string): number {
  return layers.findIndex((layer) => path.startsWith(`${layer}/`))
}

function isFile(name: string): boolean {
  return rank(name) >= 0
}

function isOf(dependency: string): (name: string) => boolean {
  return (name) => name === dependency || name.startsWith(`${dependency}/`)
}
