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

  const moved = front.move(setAfter(front))
  await lit('draining.in-place').waitFor()
  await lifecycle.locator('[data-edge="consuming→draining.in-place"][data-lit]').waitFor()
  await lit('rebuilding.in-place').waitFor()
  await lit('consuming').waitFor()
  await moved

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
