// The live chart in a browser, of a consumer on a real cluster.
import { expect, test } from 'vitest'
import { createConsumer, serveInspector } from '../../src/index.ts'
import { startFront } from '../cluster/front.ts'
import { openBrowser, openPage, violationsOn } from '../page/browser.ts'
import { setAfter } from './harness/address-sets.ts'
import { sharedCluster } from './harness/shared-cluster.ts'

const cluster = sharedCluster({ bindFixed: true })

test('the chart lights up through a move, and the page tells of it', async () => {
  await using front = await startFront(cluster())
  await cluster().createTopic('inspected')
  await using inspector = await serveInspector({ port: 0 })
  await using consumer = createConsumer({
    ...{ brokers: () => front.endpoints(), groupId: 'inspected', topics: ['inspected'], logger: false },
    inspect: inspector.observe,
    eachMessage: async () => {},
  })
  await using browser = await openBrowser()
  await using shown = await openPage(browser, inspector.url)
  const { page, complaints } = shown
  const lifecycle = page.locator('.lifecycle')
  const lit = (state: string) => lifecycle.locator(`[data-state="${state}"][data-lit]`)
  await lit('idle').waitFor()
  await consumer.start()
  await lit('consuming').waitFor()
  await page.locator('.now').getByText('The group is joined and messages are handled.').waitFor()

  await page.evaluate(notesWhatIsLit)
  const noted = () => page.evaluate<string[]>('window.noted')
  await front.move(setAfter(front))
  await expect
    .poll(noted, { timeout: 20_000 })
    .toEqual([
      ...['consuming→draining.in-place', 'draining.in-place'],
      ...['draining.in-place→rebuilding.in-place', 'rebuilding.in-place'],
      ...['rebuilding→consuming', 'consuming'],
    ])

  const brokers = page.getByRole('table').filter({ hasText: 'round trip' })
  for (const endpoint of front.endpoints()) await brokers.getByText(endpoint, { exact: true }).waitFor()
  await page.getByText(/^gap \d+ ms, took \d+ ms$/).waitFor()
  await page.getByRole('button', { name: 'rebuild.proven' }).first().click()
  await page.getByText('"gapMs"').waitFor()
  expect(await violationsOn(page)).toEqual([])
  await consumer.stop()
  await lit('stopped').waitFor()
  expect(complaints).toEqual([])
})

/** In the page: each edge and each innermost state of the lifecycle, as it lights up. A move may be over before a test has asked twice. */
const notesWhatIsLit = `{
  const chart = document.querySelector('.lifecycle svg')
  const litNow = () => [...chart.querySelectorAll('.edge[data-lit], .state:not(.compound)[data-lit]')]
  let before = litNow().map(({ dataset }) => dataset.edge ?? dataset.state)
  window.noted = []
  new MutationObserver(() => {
    const now = litNow().map(({ dataset }) => dataset.edge ?? dataset.state)
    if (now.join() === before.join()) return
    window.noted.push(...now)
    before = now
  }).observe(chart, { subtree: true, childList: true, attributes: true })
}`
