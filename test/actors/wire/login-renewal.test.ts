// When the login of a connection is renewed. A link's use of it is in link-logins.test.ts.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { HeldConnection } from '../../../actors/connection/connection.ts'
import { LoginRenewal } from '../../../actors/wire/login-renewal.ts'

const withLogin = (loginValidMs: number) => ({ loginValidMs }) as HeldConnection

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test.each([0, 100_000])(
  'the login of a connection that has a successor, valid for %i ms, is renewed no more',
  async (validMs) => {
    const expired: (HeldConnection | undefined)[] = []
    const renewal = new LoginRenewal(() => expired.push(renewal.expiring))
    const [first, second] = [withLogin(10_000), withLogin(validMs)]
    renewal.schedule(first)
    renewal.schedule(second)
    await vi.advanceTimersByTimeAsync(79_999)
    expect(expired).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(expired).toEqual(validMs > 0 ? [second] : [])
  },
)
