import { firstValueFrom, Subject, toArray } from 'rxjs'
import { expect, test, vi } from 'vitest'
import { type Brokers, createSource, maxEndpoints } from '../../../actors/cluster/source.ts'
import { formatEndpoint } from '../../../machines/endpoint.ts'

const read = async (source: ReturnType<typeof createSource>) => {
  const { endpoints, failure } = await source.current()
  return { endpoints: endpoints.map(formatEndpoint), failure: failure?.message }
}

test.each<readonly [string, Brokers]>([
  ['a list', ['b1:9093', 'b2']],
  ['a function', () => ['b1:9093', 'b2']],
  ['an asynchronous function', async () => ['b1:9093', 'b2']],
  ['a source object', { current: () => ['b1:9093', 'b2'] }],
])('%s gives its endpoints', async (_, brokers) => {
  expect(await read(createSource(brokers))).toEqual({ endpoints: ['b1:9093', 'b2:9092'], failure: undefined })
})

test('a source object keeps its own `this`', async () => {
  class Discovery {
    private readonly list = ['b1:9092']
    current() {
      return this.list
    }
  }
  expect((await read(createSource(new Discovery()))).endpoints).toEqual(['b1:9092'])
})

test.each<readonly [string, () => unknown, string]>([
  ['nothing', () => undefined, 'returned undefined instead of a list'],
  ['an empty list', () => [], 'returned an empty list'],
  ['a text', () => 'b1:9092', 'returned "b1:9092" instead of a list'],
  ['only nonsense', () => ['b1:99999', 7], 'returned 2 entries that are not host:port: "b1:99999", 7'],
  [
    'an error',
    () => {
      throw new Error('no route')
    },
    'threw Error: no route',
  ],
  ['a rejection', () => Promise.reject(new Error('503')), 'threw Error: 503'],
])('after %s the last good list is used on, with a failure', async (_, answer, why) => {
  const answers = [() => ['b1:9092'], answer]
  const source = createSource((() => answers.shift()?.()) as Brokers)
  await source.current()
  const { endpoints, failure } = await read(source)
  expect(endpoints).toEqual(['b1:9092'])
  expect(failure).toContain(why)
})

const unreadable = Object.defineProperty(['b1:9092'], 0, {
  get: () => {
    throw new Error('not today')
  },
})
test.each<[string, () => unknown, string]>([
  ['rejects with nothing', () => Promise.reject(), 'threw undefined'],
  ['rejects with what has no text', () => Promise.reject(Object.create(null)), 'threw something that cannot be read'],
  ['returns a list that throws when it is read', () => unreadable, "returned a list that can't be read"],
  ['returns entries that have no text', () => [Object.create(null)], 'not host:port: something that cannot be read'],
])('a source that %s has failed, and does not hang', async (_how, answer, why) => {
  const { failure } = await read(createSource(answer as Brokers))
  expect(failure).toContain(why)
})

test('bad entries are named and dropped, the good ones are used', async () => {
  const { endpoints, failure } = await read(createSource(['b1:9092', 'kafka://user:hunter2@b2:9092', 'b1:9092']))
  expect(endpoints).toEqual(['b1:9092'])
  expect(failure).toContain('"kafka://b2:9092"')
  expect(failure).not.toContain('hunter2')
})

test('a list that is too long is cut off with a failure', async () => {
  const list = Array.from({ length: maxEndpoints + 1 }, (_, index) => `b${index}:9092`)
  const { endpoints, failure } = await read(createSource(list))
  expect(endpoints).toHaveLength(maxEndpoints)
  expect(failure).toContain(`only the first ${maxEndpoints}`)
})

test('a call that hangs fails by its deadline, is not repeated, and its late answer is announced', async () => {
  let calls = 0
  let answer: (list: string[]) => void = () => {}
  const brokers = () => {
    calls++
    return new Promise<string[]>((resolve) => {
      answer = resolve
    })
  }
  const source = createSource(brokers, { sourceTimeoutMs: 20 })
  const late = firstValueFrom(source.changes$)
  expect((await read(source)).failure).toContain('has not answered for 20 ms')
  expect((await read(source)).failure).toContain('has not answered for 20 ms')
  expect(calls).toBe(1)
  answer(['b1:9092'])
  expect((await late).endpoints.map(formatEndpoint)).toEqual(['b1:9092'])
  const next = read(source)
  answer(['b2:9092'])
  expect(await next).toEqual({ endpoints: ['b2:9092'], failure: undefined })
  expect(calls).toBe(2)
})

test('a call that hangs for ten seconds is given up and made again, and its late answer counts no more', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const answers: ((list: string[]) => void)[] = []
  const source = createSource(() => new Promise<string[]>((resolve) => answers.push(resolve)), { sourceTimeoutMs: 20 })
  const first = read(source)
  await vi.advanceTimersByTimeAsync(20)
  expect((await first).failure).toContain('has not answered')
  await vi.advanceTimersByTimeAsync(9979)
  expect((await read(source)).failure).toContain('has not answered')
  expect(answers).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(1)
  const second = read(source)
  await vi.advanceTimersByTimeAsync(0)
  answers[0]?.(['old:9092'])
  answers[1]?.(['new:9092'])
  expect(await second).toEqual({ endpoints: ['new:9092'], failure: undefined })
  vi.useRealTimers()
})

test('an abort ends the wait for a call that hangs', async () => {
  const source = createSource(() => new Promise<string[]>(() => {}))
  const abort = new AbortController()
  const asked = source.current(abort.signal)
  abort.abort()
  expect(await asked).toEqual({ endpoints: [] })
})

test('an observable announces lists; its error is a failure and not a crash', async () => {
  const changes = new Subject<readonly string[]>()
  const source = createSource({ current: () => ['b1:9092'], changes })
  const seen: string[] = []
  const subscription = source.changes$.subscribe(({ endpoints, failure }) => {
    seen.push(failure?.message ?? endpoints.map(formatEndpoint).join(' '))
  })
  changes.next(['b2:9092'])
  changes.error(new Error('watch closed'))
  expect(seen[0]).toBe('b2:9092')
  expect(seen[1]).toContain('ended its stream of changes with Error: watch closed')
  subscription.unsubscribe()
  expect(changes.observed).toBe(false)
})

test('an async iterable announces lists and is ended with the subscription', async () => {
  let isEnded = false
  async function* changes() {
    try {
      yield ['b2:9092']
      yield ['b3:9092']
      yield ['b4:9092']
    } finally {
      isEnded = true
    }
  }
  const source = createSource({ current: () => ['b1:9092'], changes: changes() })
  expect((await firstValueFrom(source.changes$)).endpoints.map(formatEndpoint)).toEqual(['b2:9092'])
  await expect.poll(() => isEnded).toBe(true)
})

test('a list and a function announce nothing', () => {
  const seen: unknown[] = []
  createSource(['b1:9092'])
    .changes$.pipe(toArray())
    .subscribe((all) => seen.push(...all))
  expect(seen).toEqual([])
})
