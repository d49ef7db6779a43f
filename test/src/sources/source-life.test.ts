import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { createConfigMap } from './config-map.ts'

test.each([
  ['a consumer that is stopped is left by a file', 'file'],
  ['a consumer that is stopped is left by a name that is being looked up', 'dns'],
  ['nobody has ended what is left of a watched file', 'left'],
])('a process ends by itself where %s', { timeout: 60_000 }, async (_, how) => {
  await using config = await createConfigMap('127.0.0.1:1')
  const main = fileURLToPath(new URL('./source-life-main.ts', import.meta.url))
  const options = { timeout: 50_000 }
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', main, how, config.file], options)
  expect(stdout).toBe('done')
})
