/** Names of the fake brokers, and the resolver that knows them. */
import type { LookupFunction } from 'node:net'

/** Broker 17 of address set 2 has this name, and the address 127.1.2.17. */
export const nameOf = (set: number, nodeId: number): string => `broker-${nodeId}.set-${set}.test`
export const addressOf = (set: number, nodeId: number): string => `127.1.${set}.${nodeId}`

/** Resolves the brokers' names, like `dns.lookup`. */
export const lookUpBroker: LookupFunction = (name, { all }, done) => {
  const [, nodeId, set] = /^broker-(\d+)\.set-(\d+)\.test$/.exec(name) ?? []
  const address = addressOf(Number(set), Number(nodeId))
  setImmediate(() => (all ? done(null, [{ address, family: 4 }]) : done(null, address, 4)))
}
