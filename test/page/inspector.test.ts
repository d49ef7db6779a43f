// The inspector's page in a browser: journals with the slider, keyboard, widths and colours, and what it does when its process is gone.
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stateAfter } from '../../src/command-line/fold.ts'
import { inspectJournals } from '../../src/command-line/inspect-command.ts'
import { serveInspector } from '../../src/inspector/inspector.ts'
import { fileJournal } from '../../src/journal/file-journal.ts'
import type { JournalRecord } from '../../src/journal/journal.ts'
import { plan, playedExecution, stagedBalancer } from '../balancer/balancer-stage.ts'
import { stateOf } from '../machines/structure.ts'
import { forkChild, runsTypeScript } from '../process/child.ts'
import { until } from '../real/harness/until.ts'
import { fakeWatched } from '../src/inspector/watched.ts'
import { newPath } from '../src/journal/journal-files.ts'
import { startFollowing, startLife } from '../src/journal/journal-lives.ts'
import { openBrowser, openPage, violationsOn } from './browser.ts'

let browser: Browser
beforeAll(async () => {
  browser = await openBrowser()
})
afterAll(() => browser?.close())

/** A journal with two moves and a failed session between them. */
function lived() {
  const path = newPath()
  const journal = fileJournal(path)
  const life = startLife(journal)
  life.move()
  life.retry()
  life.move()
  const records = [...journal.read()]
  journal.close()
  return { path, records }
}

/** `relisten inspect` of these journals. */
async function inspecting(...paths: string[]) {
  const say = (line: string) => expect.fail(line)
  const { url, close } = await inspectJournals(paths, '0', { error: say })
  return { url, [Symbol.asyncDispose]: close }
}

const lit = (page: Page, chart = 'lifecycle') => page.locator(`.${chart} [data-state][data-lit]:not(.compound)`)
const slider = (page: Page) => page.getByRole('slider', { name: 'Record' })

/** After each record the chart lights up where the machine is. */
async function expectEachState(page: Page, records: readonly JournalRecord[]): Promise<void> {
  await slider(page).focus()
  await page.keyboard.press('Home')
  for (const [index, { seq }] of records.entries()) {
    await page.locator('output').getByText(`record ${seq} of`).waitFor()
    const { machine } = stateAfter(records.slice(0, index + 1))
    expect(await lit(page).getAttribute('data-state'), `after record ${seq}`).toBe(stateOf(machine))
    await page.keyboard.press('ArrowRight')
  }
}

test('the slider steps through a journal: chart, state, brokers and partitions are those of then', async () => {
  const { path, records } = lived()
  await using server = await inspecting(path)
  await using shown = await openPage(browser, server.url)
  const { page, complaints } = shown
  await page.getByText(`record ${records.length} of ${records.length}`).waitFor()
  await slider(page).focus()
  await page.keyboard.press('Home')
  for (const [index, record] of records.entries()) {
    await page.locator('output').getByText(`record ${record.seq} of`).waitFor()
    const { machine, remembered, ...then } = stateAfter(records.slice(0, index + 1))
    expect(await lit(page).getAttribute('data-state'), `after record ${record.seq}`).toBe(stateOf(machine))
    for (const endpoint of Object.values(remembered.brokers))
      await page.locator('.brokers').getByRole('cell', { name: endpoint }).first().waitFor()
    const assignment = then.actor === 'consumer' ? then.status?.assignment : undefined
    const owned = Object.values(assignment ?? {}).flat().length
    await page.waitForFunction((count) => document.querySelectorAll('.partitions tbody tr').length === count, owned)
    await page.keyboard.press('ArrowRight')
  }
  expect(complaints).toEqual([])
})

test('a journal of `follow` has the chart of the following, its figures and its brokers', async () => {
  const path = newPath()
  const journal = fileJournal(path)
  startFollowing(journal).move()
  const records = [...journal.read()]
  journal.close()
  await using server = await inspecting(path, lived().path)
  await using shown = await openPage(browser, server.url)
  const { page, complaints } = shown
  await page.getByRole('heading', { name: 'Following' }).waitFor()
  await page.getByText('1 move, 0 reconnections, 0 outages').waitFor()
  await expectEachState(page, records)
  await page.locator('.brokers').getByRole('cell', { name: '127.0.2.1:9092' }).first().waitFor()
  expect(await page.locator('.partitions, .membership').count()).toBe(0)
  expect(await violationsOn(page)).toEqual([])
  expect(complaints).toEqual([])
})

test('a journal of a balancer has the chart of the balancing, its figures, the imbalance of each goal and the steps of its plan', async () => {
  const path = newPath()
  const journal = fileJournal(path)
  const { balancer, played } = stagedBalancer({ plan: () => plan, execution: playedExecution() }, { journal })
  played.newestAt = Date.now()
  balancer.start()
  await until(() => (balancer.status().moves.done > 0 ? undefined : 'the plan carried out'))
  await balancer.stop()
  const records = [...journal.read()]
  journal.close()
  await using server = await inspecting(path, lived().path)
  await using shown = await openPage(browser, server.url)
  const { page, complaints } = shown
  await page.getByRole('heading', { name: 'Balancing' }).waitFor()
  await page.getByText('1 done, 0 cancelled, 0 failed').waitFor()
  await page.getByRole('row', { name: 'networkOut 1.0000 0.0000' }).waitFor()
  await page.getByRole('row', { name: 'leader of orders/1 1 2 done' }).waitFor()
  await expectEachState(page, records)
  expect(await violationsOn(page)).toEqual([])
  expect(complaints).toEqual([])
})

test('by keyboard alone one gets from the journal to a fact, its record, and what caused it', async () => {
  const { path, records } = lived()
  await using server = await inspecting(path, lived().path)
  await using shown = await openPage(browser, server.url)
  const { page, complaints } = shown
  const focused = () =>
    page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent)
  const tabTo = async (name: string) => {
    for (let tabs = 0; tabs < 40 && (await focused()) !== name; tabs++) await page.keyboard.press('Tab')
    expect(await focused()).toBe(name)
  }
  await page.getByText(`of ${records.length}`, { exact: false }).first().waitFor()
  await page.keyboard.press('Tab')
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('SELECT')
  await tabTo('One record back')
  await page.keyboard.press('Enter')
  await page.getByText(`record ${records.length - 1} of ${records.length}`).waitFor()
  await tabTo('Newest')
  await page.keyboard.press('Enter')
  await page.getByText(`record ${records.length} of ${records.length}`).waitFor()
  await tabTo('Table of facts')
  await tabTo('rebuild.proven')
  await page.keyboard.press('Enter')
  await page.getByText('"gapMs": 120').waitFor()
  const { cause, seq } = records.at(-1) ?? {}
  await tabTo(`Record ${cause}, the cause of ${seq}`)
  await page.keyboard.press('Enter')
  await page.waitForFunction((id) => document.activeElement?.id === id, `fact-${cause}`)
  await page.getByText(`"seq": ${cause},`).waitFor()
  const ring = await page.evaluate(() => getComputedStyle(document.activeElement as Element).outlineStyle)
  expect(ring).toBe('solid')
  expect(complaints).toEqual([])
})

test.each(['light', 'dark'] as const)(
  'it fits from 400 to 1600 pixels, and all can use it, when it is %s',
  async (colorScheme) => {
    const { path } = lived()
    await using server = await inspecting(path)
    await using shown = await openPage(browser, server.url, { colorScheme })
    const { page, complaints } = shown
    await page.getByRole('button', { name: 'rebuild.proven' }).first().click()
    for (const width of [400, 600, 800, 1200, 1600]) {
      await page.setViewportSize({ width, height: 900 })
      await page.waitForFunction(
        (wide) => document.querySelector('.lifecycle svg')?.clientWidth !== 0 && innerWidth === wide,
        width,
      )
      expect(await page.evaluate(() => document.documentElement.scrollWidth), `${width} pixels`).toBeLessThanOrEqual(
        width,
      )
      if (width === 400 || width === 1600) expect(await violationsOn(page), `${width} pixels`).toEqual([])
    }
    const [background = ''] = await page.evaluate(() => [getComputedStyle(document.body).backgroundColor])
    const brightness = Math.max(...(background.match(/\d+/g) ?? []).map(Number))
    expect(brightness > 128 ? 'light' : 'dark').toBe(colorScheme)
    expect(complaints).toEqual([])
  },
)

test('the time line is filtered by kind and by words', async () => {
  const { path, records } = lived()
  await using server = await inspecting(path)
  await using shown = await openPage(browser, server.url)
  const { page } = shown
  const rows = page.locator('.facts-table tbody tr')
  await page.getByLabel('Show').selectOption('link')
  await expect.poll(() => rows.count()).toBe(records.filter(({ type }) => type.startsWith('link.')).length)
  await page.getByLabel('Show').selectOption('change')
  await expect.poll(() => rows.count()).toBe(records.filter(({ from, to }) => from !== to).length)
  await page.getByLabel('Show').selectOption('')
  await page.getByLabel('with').fill('fetcher REASON')
  await expect.poll(() => rows.count()).toBe(1)
  await rows.getByRole('button', { name: 'session.failed' }).waitFor()
})

test('what peers are called is text, and runs nothing', async () => {
  await using inspector = await serveInspector({ port: 0 })
  const watched = fakeWatched('<img src=x onerror=alert(1)>')
  inspector.observe.watch(watched)
  const hostile = '<script>alert(1)</script><img src="https://evil.example/x" onerror="alert(1)">'
  watched.tell({ type: 'topic.observed', data: { topic: hostile, topicId: null, partitions: 1 } })
  watched.tell({ type: 'cluster.reached', data: { clusterId: hostile, brokers: { 1: hostile } } })
  await using shown = await openPage(browser, inspector.url)
  const { page, complaints } = shown
  await page.locator('.facts .wrap').getByText(hostile).first().waitFor()
  await page.locator('.brokers').getByText(hostile).waitFor()
  expect(await page.locator('img, script:not([src="/page.js"])').count()).toBe(0)
  expect(complaints).toEqual([])
})

test('several members of a group are told apart, and each is shown by itself', async () => {
  await using inspector = await serveInspector({ port: 0 })
  const watched = [fakeWatched(), fakeWatched()]
  for (const each of watched) inspector.observe.watch(each)
  watched[1]?.tell({ from: 'idle', to: 'connecting', type: 'start.requested' })
  await using shown = await openPage(browser, inspector.url)
  const { page } = shown
  const choice = page.getByLabel('Consumer or journal')
  await choice.selectOption('orders · 2')
  await expect.poll(() => lit(page).getAttribute('data-state')).toBe('connecting')
  await choice.selectOption('orders · 1')
  await expect.poll(() => lit(page).getAttribute('data-state')).toBe('idle')
})

test('without the token it shows nothing, and says where to find it', async () => {
  await using inspector = await serveInspector({ port: 0 })
  inspector.observe.watch(fakeWatched())
  const [address = ''] = inspector.url.split('#')
  for (const url of [address, `${address}#token=another-token-here`]) {
    await using shown = await openPage(browser, url)
    await shown.page.getByText('Open the address that it has printed on standard error.').waitFor()
    expect(await shown.page.getByText('orders').count()).toBe(0)
  }
})

test('the environment alone shows a service, and the page finds it again after it was killed and started anew', async () => {
  const [port, token] = [await freePort(), 'a-token-of-sixteen']
  const start = () => {
    const asked = { RELISTEN_INSPECT: String(port), RELISTEN_INSPECT_TOKEN: token }
    Object.assign(process.env, asked)
    try {
      const main = fileURLToPath(new URL('./service-main.ts', import.meta.url))
      return forkChild({ what: 'a service', main, execArgv: runsTypeScript, isQuiet: true, hear: () => {} })
    } finally {
      for (const name of Object.keys(asked)) delete process.env[name]
    }
  }
  const first = start()
  await first.up
  // The service does not know that somebody listens.
  const isServed = () =>
    fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    )
  await expect.poll(isServed, { timeout: 20_000 }).toBe(true)
  await using shown = await openPage(browser, `http://127.0.0.1:${port}/#token=${token}`)
  const { page } = shown
  await page.getByText(`process ${first.pid}`).waitFor()
  await page.getByLabel('Consumer or journal').getByText('of-a-service').waitFor({ state: 'attached' })
  const started = page.locator('tr').filter({ has: page.getByRole('button', { name: 'start.requested' }) })
  const before = await started.locator('td').first().textContent()
  await first.kill()
  await page.getByText('connection lost, trying again').waitFor()
  const second = start()
  try {
    await second.up
    await page.getByText(`process ${second.pid}`).waitFor()
    // The facts of this life, and not those of the one before.
    await expect.poll(() => started.locator('td').first().textContent()).not.toBe(before)
    expect(await started.count()).toBe(1)
  } finally {
    await second.kill()
  }
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
