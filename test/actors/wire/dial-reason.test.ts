// Why a link dials, as it is told.
import { expect, test } from 'vitest'
import type { HeldConnection } from '../../../actors/connection/connection.ts'
import { dialReason } from '../../../actors/wire/dial-reason.ts'

const here = { host: 'a', port: 1 }
const elsewhere = { host: 'a', port: 2 }
const connection = { endpoint: here } as HeldConnection

test.each([
  ['first', undefined, undefined, here],
  ['ended', connection, undefined, here],
  ['moved', connection, undefined, elsewhere],
  ['login-expires', connection, connection, here],
] as const)('%s', (reason, before, expiring, endpoint) => {
  expect(dialReason(before, expiring, endpoint)).toBe(reason)
})
