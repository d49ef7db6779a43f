// A browser for the tests of the page: the system's Chromium where there is one, else the one that comes with `npm ci`.
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import bundled from '@sparticuz/chromium'
import axe from 'axe-core'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const names = ['chromium', 'chromium-browser', 'google-chrome']

/** An open page, and what it complained of. */
export interface OpenPage extends AsyncDisposable {
  readonly page: Page
  /** Errors and warnings on the console, exceptions, and requests to anywhere else than its own server. */
  readonly complaints: readonly string[]
}

/** Opens a Chromium; it shows pages of this host only. */
export async function openBrowser(): Promise<Browser> {
  const found = await Promise.all(
    (process.env.PATH ?? '').split(delimiter).flatMap((folder) =>
      names.map((name) =>
        access(join(folder, name)).then(
          () => join(folder, name),
          () => undefined,
        ),
      ),
    ),
  )
  const executablePath = found.find((path) => path !== undefined) ?? (await bundled.executablePath())
  // Root has no sandbox, and what is shown here is ours.
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
}

export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) complaints.push(`a request to ${request.url()}`)
  })
  await page.goto(url)
  return { page, complaints, [Symbol.asyncDispose]: () => context.close() }
}

/** What on the page a screen reader or a keyboard can't use, a line each. */
export async function violationsOn(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations, passes } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run())
  if (passes.length < 10) throw new Error(`Only ${passes.length} rules were applied: is the page there?`)
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html}`))
}
