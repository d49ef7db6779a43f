// What holds for every kind of source as the poller sees it, whatever it names, when, and however it fails.
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { createSource, maxEndpoints, type SourceReading } from '../../../actors/cluster/source.ts'
import { formatEndpoint, parseEndpoint } from '../../../machines/endpoint.ts'
import { kinds, type Sickness, type SourceOnStage } from './source-kinds.ts'

/** How long a busy machine may take. */
const soon = { timeout: 8000, interval: 10 }
/** More than a file needs to settle. */
const sourceTimeoutMs = 500

const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

/** A source as the poller has it: asked, and listened to. */
function poll(stage: SourceOnStage) {
  const source = createSource(stage.brokers, { sourceTimeoutMs })
  const heard: SourceReading[] = []
  const subscription = source.changes$.subscribe((reading) => heard.push(reading))
  const end = async () => {
    subscription.unsubscribe()
    await stage[Symbol.asyncDispose]()
  }
  endings.push(end)
  const ask = async () => {
    const { endpoints, failure } = await source.current()
    return { list: endpoints.map(formatEndpoint).toSorted(), failed: failure !== undefined, failure }
  }
  const isGood = (list: readonly string[]) =>
    expect.poll(ask, soon).toEqual({ list: expected(list), failed: false, failure: undefined })
  const isSick = (last: readonly string[]) =>
    expect.poll(ask, soon).toMatchObject({ list: expected(last), failed: true, failure: { kind: 'source-failed' } })
  return { ask, heard, isGood, isSick, end, source }
}

/** As the endpoints of it are written, each once. */
const expected = (list: readonly string[]): string[] => {
  const endpoints = list.map((entry) => parseEndpoint(entry))
  return [...new Set(endpoints.map((endpoint) => (endpoint ? formatEndpoint(endpoint) : 'not an endpoint')))].toSorted()
}

const old = ['10.0.0.1:9092', '10.0.0.2:9092']
const moved = ['10.0.1.1:9092', '10.0.1.2:9092', '[fd00::3]:9092']

const entry = fc.oneof(
  { weight: 3, arbitrary: fc.ipV4().map((address) => `${address}:9092`) },
  { weight: 1, arbitrary: fc.ipV6().map((address) => `[${address}]:9092`) },
)
/** Few of many, in any order, some of them twice. */
const lists = fc
  .array(entry, { minLength: 1, maxLength: maxEndpoints / 2 })
  .chain((list) => fc.shuffledSubarray([...list, ...list], { minLength: 1 }))

describe.each(kinds)('$name', ({ make, sicknesses }) => {
  test('gives each endpoint once, in whatever order, number and form they come', async () => {
    await fc.assert(
      fc.asyncProperty(lists, async (list) => {
        const { isGood, end } = poll(await make(list))
        await isGood(list)
        await end()
      }),
      { numRuns: 8, endOnFailure: true },
    )
  })

  test(`gives the first ${maxEndpoints} of a list that is too long, with a failure`, async () => {
    const list = Array.from({ length: maxEndpoints + 1 }, (_, index) => `10.0.2.${index}:9092`)
    const { ask } = poll(await make(list))
    const message = expect.stringContaining(`returned ${list.length} endpoints`)
    await expect.poll(ask, soon).toMatchObject({ list: list.slice(0, maxEndpoints).toSorted(), failure: { message } })
  })

  test('gives the last of changes that follow each other, and never again one before it', async () => {
    const stage = await make(old)
    const { isGood, ask, heard } = poll(stage)
    await isGood(old)
    for (const list of [moved, old, ['10.0.3.1:9092'], moved]) await stage.say(list)
    await isGood(moved)
    const from = heard.length
    for (let times = 0; times < 5; times += 1) expect((await ask()).list).toEqual(expected(moved))
    for (const { endpoints } of heard.slice(from))
      expect(endpoints.map(formatEndpoint).toSorted()).toEqual(expected(moved))
  })

  test.each(sicknesses.map((sickness) => ({ sickness })))(
    '$sickness: its last good list is used on, with a failure that says so, until it is well',
    async ({ sickness }) => {
      const stage = await make(old)
      const { isGood, isSick } = poll(stage)
      await isGood(old)
      await stage.fall(sickness)
      await isSick(old)
      await stage.say(moved)
      await isGood(moved)
    },
  )

  test('has no list and a failure where it was never well', async () => {
    const stage = await make(old)
    await stage.fall('nothing')
    const { isSick, isGood } = poll(stage)
    await isSick([])
    await stage.say(old)
    await isGood(old)
  })

  test('gives what is right after any sequence of changes and failures, at any times', {
    timeout: 60_000,
  }, async () => {
    const step = fc.record({
      what: fc.oneof(lists, fc.constantFrom(...sicknesses.filter((sickness) => sickness !== 'hangs'))),
      afterMs: fc.constantFrom(0, 0, 1, 20, 120),
      isAwaited: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        const stage = await make(old)
        const { isGood, isSick, ask, end } = poll(stage)
        await isGood(old)
        let good: readonly string[] = old
        let sickness: Sickness | undefined
        for (const { what, afterMs, isAwaited } of [...steps, { what: moved, afterMs: 0, isAwaited: true }]) {
          await new Promise((resolve) => setTimeout(resolve, afterMs))
          if (typeof what === 'string') await stage.fall(what)
          else await stage.say(what)
          sickness = typeof what === 'string' ? what : undefined
          if (typeof what !== 'string') {
            good = what
            await isGood(good)
          } else if (isAwaited) await isSick(good)
          else void ask()
        }
        expect(sickness).toBeUndefined()
        await end()
      }),
      { numRuns: 4, endOnFailure: true },
    )
  })
})

test.each(kinds.filter(({ sicknesses }) => sicknesses.includes('hangs')))(
  '$name: a late answer is announced',
  async ({ make }) => {
    const stage = await make(old)
    const { isGood, heard, source } = poll(stage)
    await isGood(old)
    await stage.fall('hangs')
    await expect.poll(async () => (await source.current()).failure?.message, soon).toContain('has not answered')
    const from = heard.length
    await stage.say(moved)
    const lists = () => heard.slice(from).map(({ endpoints }) => endpoints.map(formatEndpoint).toSorted().join())
    await expect.poll(lists, soon).toContain(expected(moved).join())
  },
)
