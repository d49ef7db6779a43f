import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { startWatchdog } from './watchdog.ts'

const folder = () => mkdtemp(join(tmpdir(), 'relisten-watchdog-'))
const sleeper = () => spawn('sleep', ['600'])
const dies = (pid: number) => vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), 5000)

test('the end of the watch kills what is guarded, spares the rest, and removes the folder', async () => {
  const data = await folder()
  const [guarded, spared] = [sleeper(), sleeper()]
  const ended = once(guarded, 'exit')
  const watchdog = startWatchdog(data)
  watchdog.guard([guarded.pid ?? 0, spared.pid ?? 0])
  watchdog.guard([guarded.pid ?? 0])
  await watchdog.end()
  expect(await ended).toEqual([null, 'SIGKILL'])
  expect(existsSync(data)).toBe(false)
  expect(spared.kill('SIGKILL')).toBe(true)
})

test.each(['SIGKILL', 'SIGINT', 'an uncaught error'] as const)(
  'a program that ends by %s leaves nothing behind',
  async (how) => {
    const data = await folder()
    const program = `
    import { spawn } from 'node:child_process'
    import { startWatchdog } from ${JSON.stringify(join(import.meta.dirname, 'watchdog.ts'))}
    const child = spawn('sleep', ['600'], { detached: true })
    startWatchdog(${JSON.stringify(data)}).guard([child.pid])
    console.log(child.pid)
    process.stdin.once('data', () => { throw new Error('uncaught') })
  `
    const owner = execFile(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program])
    const [said] = await once(owner.stdout ?? owner, 'data')
    if (how === 'an uncaught error') owner.stdin?.write('now')
    else owner.kill(how)
    await dies(Number(said))
    await vi.waitFor(() => expect(existsSync(data)).toBe(false), 5000)
  },
)
