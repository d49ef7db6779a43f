// The code of the README, compiled against the built package as a user would compile it.
import { expect, test } from 'vitest'
import { createProject, readmeCode } from './quick-start.ts'

test('the quick start has at most fifteen lines', async () => {
  const [quickStart = ''] = await readmeCode()
  expect(quickStart).toContain('createConsumer')
  expect(quickStart.trimEnd().split('\n').length).toBeLessThanOrEqual(15)
})

test('every block of TypeScript in the README compiles by itself', { timeout: 60_000 }, async () => {
  await using project = await createProject()
  const blocks = await readmeCode()
  expect(blocks.length).toBeGreaterThan(1)
  for (const [index, code] of blocks.entries()) await project.write(`block-${index + 1}.ts`, code)
  await project.compile(...blocks.map((_, index) => `block-${index + 1}`))
})

test('the compiler sees an option that does not exist', { timeout: 60_000 }, async () => {
  await using project = await createProject()
  const [quickStart = ''] = await readmeCode()
  await project.write('wrong.ts', quickStart.replace('groupId:', 'groupID:'))
  await expect(project.compile('wrong')).rejects.toThrow(/groupID/)
})
