// One broker is away: refused, silent, or stopped for real. The one that refuses the login is in logins.test.ts.
import { expect, test } from 'vitest'
import { form, isLong } from '../harness/form.ts'
import { outage } from '../harness/outage.ts'
import { sharedCluster } from '../harness/shared-cluster.ts'

const cluster = sharedCluster({ bindFixed: true })

test.concurrent.each(form([20], [3, 20]))('under %i consumers one broker refuses connections', async (members) => {
  const violations = await outage({
    ...{ cluster: cluster(), scenario: `one broker refuses, ${members} consumers`, members },
    begin: (front, nodeId) => front.close(1, 'fin', [nodeId]),
    end: (front, nodeId) => front.open(1, [nodeId]),
  })
  expect(violations).toEqual([])
})

test.concurrent('one broker is silent', async () => {
  const violations = await outage({
    ...{ cluster: cluster(), scenario: 'one broker is silent' },
    begin: (front, nodeId) => front.close(1, 'silent', [nodeId]),
    end: (front, nodeId) => front.open(1, [nodeId]),
  })
  expect(violations).toEqual([])
})

// in the short form restarts.test.ts is enough
if (isLong) {
  test('one broker is stopped', async () => {
    const violations = await outage({
      ...{ cluster: cluster(), scenario: 'one broker is stopped' },
      begin: (_, nodeId) => cluster().stopBroker(nodeId),
      async end(_, nodeId) {
        await cluster().startBroker(nodeId)
        await cluster().waitReady()
      },
    })
    expect(violations).toEqual([])
  })
}
