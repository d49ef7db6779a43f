import { expect, test } from 'vitest'
import { searchedNames } from '../../../src/sources/search-list.ts'

const pod = 'nameserver 10.96.0.10\nsearch orders.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n'

test('in a pod a short name is tried with each domain of the search list first', () => {
  expect(searchedNames('kafka.ns.svc', pod)).toEqual([
    'kafka.ns.svc.orders.svc.cluster.local',
    'kafka.ns.svc.svc.cluster.local',
    'kafka.ns.svc.cluster.local',
    'kafka.ns.svc',
  ])
})

test('a name with as many dots as `ndots` is tried as it is first', () => {
  expect(searchedNames('_kafka._tcp.kafka.ns.svc.cluster.local', pod)[0]).toBe('_kafka._tcp.kafka.ns.svc.cluster.local')
  expect(searchedNames('kafka.example', 'search a.example')).toEqual(['kafka.example', 'kafka.example.a.example'])
  expect(searchedNames('kafka', 'search a.example')).toEqual(['kafka.a.example', 'kafka'])
})

test('a name that ends with a dot is complete', () => {
  expect(searchedNames('kafka.ns.svc.', pod)).toEqual(['kafka.ns.svc.'])
})

test.each([
  ['none', ''],
  ['only name servers', 'nameserver 10.0.0.1\n'],
  ['the root as its domain', 'search .\n'],
  ['a comment', '# search a.example\n'],
])('with %s in resolv.conf a name stands for itself', (_, resolvConf) => {
  expect(searchedNames('kafka.ns', resolvConf)).toEqual(['kafka.ns'])
})

test('the last line that names domains counts, also where it is `domain`', () => {
  expect(searchedNames('kafka', 'search a.example\ndomain b.example.\n')).toEqual(['kafka.b.example', 'kafka'])
})
