// Where the sources tell each fact.
import type { FactType } from '../../machines/fact.ts'
import { readSources } from './sources.ts'

/** The facts in the order of `FactData`, each with the files that tell it. */
export async function factsTold(): Promise<ReadonlyMap<FactType, readonly string[]>> {
  const sources = await readSources(['machines', 'actors', 'src'])
  const [, fields = ''] =
    /export interface FactData \{\n([\s\S]*?)\n\}/.exec(sources.get('machines/fact.ts') ?? '') ?? []
  const names = [...fields.matchAll(/^ {2}'([^']+)':/gm)].map(([, name]) => name as FactType)
  const tellers = [...sources].filter(
    ([file]) =>
      file.startsWith('actors/') ||
      /^src\/(lifecycle-consumer|follow\/follow|balancer\/(balancer|rounds|metric-reader)|journal\/recorder)\.ts$/.test(
        file,
      ),
  )
  // The recorder makes its own records and has no fact to send.
  const tells = (file: string, text: string, name: string) =>
    text.includes(file === 'src/journal/recorder.ts' ? `'${name}'` : `type: '${name}'`)
  return new Map(
    names.map((name) => [name, tellers.filter(([file, text]) => tells(file, text, name)).map(([file]) => file)]),
  )
}
