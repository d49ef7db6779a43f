// Writes the generated parts of SPEC.md and docs/ again: `npm run spec`. The tests compare them with what stands there.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { factsTold } from './facts.ts'
import { specParts, statesParts, withGenerated } from './generated.ts'
import { referenceParts } from './reference.ts'
import { root } from './sources.ts'

const parts = {
  'SPEC.md': specParts(await factsTold()),
  'docs/states.md': statesParts(),
  ...referenceParts(),
}

for (const [name, generated] of Object.entries(parts)) {
  const path = join(root, name)
  const before = await readFile(path, 'utf8')
  const after = withGenerated(before, generated)
  if (after !== before) await writeFile(path, after)
  console.log(`${name}: ${after === before ? 'as it was' : 'written anew'}`)
}
