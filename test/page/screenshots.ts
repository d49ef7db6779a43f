/**
 * The pictures of docs/see.md: `npm run screenshots`. A consumer on a real cluster whose brokers move, as the page shows it; then its journal, at the record in the middle
 * of a hand-over.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { inspectJournals } from '../../src/command-line/inspect-command.ts'
import { createConsumer, fileJournal, serveInspector } from '../../src/index.ts'
import { startFront } from '../cluster/front.ts'
import { startCluster } from '../cluster/kafka-cluster.ts'
import { createWorkload } from '../real/harness/workload.ts'
import { openBrowser, openPage } from './browser.ts'

const docs = join(import.meta.dirname, '../../docs')
const topic = 'orders'
const folder = await mkdtemp(join(tmpdir(), 'relisten-screenshots-'))
const journal = join(folder, 'orders-journal')

const shoot = async (page: Page, name: string) => {
  await page.screenshot({ path: join(docs, name), animations: 'disabled' })
  console.log(`docs/${name}`)
}
const lit = (page: Page, state: string) => page.locator(`.lifecycle [data-state="${state}"][data-lit]`).waitFor()

await using browser = await openBrowser()
{
  await using cluster = await startCluster({ version: '4.4.0', bindFixed: true, onProgress: () => {} })
  await using front = await startFront(cluster)
  await cluster.createTopic(topic)
  await using inspector = await serveInspector({ port: 0 })
  await using consumer = createConsumer({
    ...{ brokers: () => front.endpoints(), groupId: 'orders', topics: [topic], logger: false },
    ...{ kafka: { clientId: 'orders' }, inspect: inspector.observe, journal: fileJournal(journal) },
    eachMessage: async () => void (await pause(2)),
  })
  const workload = await createWorkload(cluster, { topic })
  await consumer.start()
  workload.start()
  await using shown = await openPage(browser, inspector.url, { viewport: { width: 1280, height: 1160 } })
  const { page } = shown
  await lit(page, 'consuming')
  await pause(3000)
  await front.move(1, { close: 'silent' })
  await pause(3000)
  await front.move(2, { nodes: [2] })
  await pause(3000)
  await front.move(3)
  await lit(page, 'rebuilding.in-place')
  await lit(page, 'consuming')
  await pause(1500)
  await shoot(page, 'inspector.png')
  await workload.close()
}
const found = await inspectJournals([journal], '0', console)
{
  await using shown = await openPage(browser, found.url, {
    viewport: { width: 1280, height: 760 },
    colorScheme: 'dark',
  })
  const { page } = shown
  await lit(page, 'stopped')
  await page.getByRole('slider', { name: 'Record' }).focus()
  const isMoving = page.locator('.lifecycle [data-state="rebuilding.in-place"][data-lit]')
  while ((await isMoving.count()) === 0) await page.keyboard.press('ArrowLeft')
  await pause(500)
  await shoot(page, 'inspector-journal.png')
}
await found.close()
await rm(folder, { recursive: true })
