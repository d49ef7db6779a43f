// The code of the README and of the reference in docs/, compiled against the built package as a user would compile it.
import { expect, test } from 'vitest'
import { createProject, readmeCode, referenceCode } from './quick-start.ts'

test('the quick start has at most fifteen lines', async () => {
  const [quickStart = ''] = await readmeCode()
  expect(quickStart).toContain('createConsumer')
  expect(quickStart.trimEnd().split('\n').length).toBeLessThanOrEqual(15)
})

test('every block of TypeScript in the README and the reference compiles by itself', { timeout: 60_000 }, async () => {
  await using project = await createProject()
  const [guide, reference] = [await readmeCode(), await referenceCode()]
  expect(guide.length).toBeGreaterThan(3)
  expect(reference.length).toBeGreaterThan(1)
  const blocks = [...guide, ...reference]
  for (const [index, code] of blocks.entries()) await project.write(`block-${index + 1}.ts`, code)
  await project.compile(...blocks.map((_, index) => `block-${index + 1}`))
})

test('the compiler sees an option that does not exist', { timeout: 60_000 }, async () => {
  await using project = await createProject()
  const [quickStart = ''] = await readmeCode()
  await project.write('wrong.ts', quickStart.replace('groupId:', 'groupID:'))
  await expect(project.compile('wrong')).rejects.toThrow(/groupID/)
})
