// Phrases that readers did not understand, and what says it better: none of them stands in a document, or in the docstring of something that is exported.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8')

/** Wherever they stand. */
const anywhere: readonly (readonly [RegExp, string])[] = [
  [/under a living session|a living session/i, 'without leaving the group'],
  [/replace[sd]? (?:the|its) session in order/i, 'in an orderly way'],
  [/knows the brokers from/i, 'where to find the cluster'],
  [/made, not started/i, 'created but not started'],
  [/waits for an answer is sent again/i, 'in-flight requests are re-sent'],
  [/(?:ended|stops|gone) for good/i, 'permanently'],
  [/failure that waiting does not cure/i, 'a non-retriable failure'],
  [/nothing moves/i, 'no messages arrive'],
  [/silent connections are left/i, 'unresponsive connections are dropped'],
  [/newest accepted place/i, 'the most recently confirmed address'],
  [/handler takes long/i, 'runs for a long time'],
  [/others get its place/i, 'its concurrency slot is released'],
  [/shows the secret/i, 'sends the password in clear text'],
  [/most bytes of/i, 'maximum size of'],
  [/(?:after|only after) so long/i, 'after this long'],
  [/returns what takes/i, 'returns a function that removes'],
  [/(?:SASL|ACL) said no/i, 'authentication failed, denied by an ACL'],
  [/what must not happen/i, 'internal error, please report it'],
  [/went without that/i, 'lost without being revoked first'],
  [/guard against a rogue/i, 'does not protect against malicious brokers'],
  [/what is wrong with [^|\n]* as published/i, 'checks the published package'],
  [/twice by (?:process|group)/i, 'twice: same process'],
  [/fenced hand-outs?/i, 'fenced batches'],
  [/port that was left/i, 'an address no longer in use'],
  [/turn of an idle node/i, 'a node that has nothing to fetch is woken'],
  [/\banew\b/i, 'again'],
  [/\bg(?:ave|iven|ives?) up (?:after|and|at)\b/i, 'abandoned'],
]

/** Words of this house that its users need not learn. */
const forUsers: readonly (readonly [RegExp, string])[] = [
  [/\b(?:re)?dial(?:s|led|ling)?\b/i, 'connect'],
  [/\btold\b/i, 'emitted'],
  [/\banswer(?:s|ed)?\b/i, 'response'],
  [/\b(?:two )?witness(?:es)?\b/i, 'brokers that report it'],
  [/\bsealed\b/i, 'fenced'],
  [/\b(?:accepted|another|earlier|new|other) places?\b/i, 'address'],
]

const reference = (await readdir(join(root, 'docs')))
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`)
const userDocuments = ['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...reference]

test.each([...userDocuments, 'SPEC.md', 'DESIGN.md', 'BENCHMARKS.md'])(
  '%s has no phrase that something says better',
  async (path) => {
    const text = await read(path)
    expect(text.length).toBeGreaterThan(500)
    const rules = userDocuments.includes(path) ? [...anywhere, ...forUsers] : anywhere
    expect(found(text, rules)).toEqual([])
  },
)

test('no docstring of what the package exports has one', async () => {
  const files = [...(await read('src/index.ts')).matchAll(/from '(\.[^']+)'/g)].map(([, path = '']) =>
    join('src', path),
  )
  expect(files.length).toBeGreaterThan(15)
  for (const file of files) {
    const docstrings = (await read(file)).match(/\/\*\*[\s\S]*?\*\//g) ?? []
    expect(found(docstrings.join('\n').replaceAll(/\n\s*\*\s?/g, ' '), anywhere), file).toEqual([])
  }
})

/** Each phrase with what is around it, and what to write. Code is left out, and so are titles of tests. */
function found(text: string, rules: readonly (readonly [RegExp, string])[]): string[] {
  const words = text.replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`|<!--.*?-->/g, '')
  return rules.flatMap(([phrase, better]) =>
    [...words.matchAll(new RegExp(phrase, 'gi'))].map(
      ({ 0: hit, index }) =>
        `${words.slice(Math.max(0, index - 30), index)}[${hit}]${words.slice(index + hit.length, index + hit.length + 30)}: ${better}`,
    ),
  )
}
