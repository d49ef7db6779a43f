// Jest's environment for Node, and in it what the tests' connections are to be made with. It is made out here: Jest 25 gives the
// tests fewer globals than Node has, and finds packages without their `exports`.
const { readFileSync, writeFileSync } = require('node:fs')
const { readFile } = require('node:fs/promises')
const NodeEnvironment = require(require.resolve('jest-environment-node', { paths: [process.cwd()] }))

const { listeners, relisten, account } = JSON.parse(process.env.RELISTEN_SUITES)

/** By the port that the tests know: 9092, 9095, 9098 are plain, those behind them with TLS, and with TLS and a login. */
const listenerOf = (broker) => ['plain', 'tls', 'login'][(Number(broker.split(':')[1]) - 9092) % 3]

/** KafkaJS's config with the brokers there are, as they are now. */
const stock = (config, [broker]) => ({
  ...config,
  brokers: JSON.parse(readFileSync(listeners, 'utf8'))[listenerOf(broker)],
})

/** What was followed for the clients of this file. */
const all = []

/** KafkaJS's config as `follow` makes it: its sockets are wires. */
const followed = ({ ssl, sasl, clientId, requestTimeout = 30_000, ...others }, [broker]) => {
  const { follow } = require(relisten)
  const brokers = async () => JSON.parse(await readFile(listeners, 'utf8'))[listenerOf(broker)]
  const { ca } = JSON.parse(readFileSync(listeners, 'utf8'))
  // theirs accepts any certificate, under a name that `follow` does not take
  const secured = { ...(ssl && { ssl: { ca } }), ...(sasl && { sasl: { ...sasl } }) }
  const config = follow({ clientId, requestTimeout, brokers, ...secured }, { logger: false })
  all.push(config.followed)
  return { ...others, ...config }
}

module.exports = class extends NodeEnvironment {
  async setup() {
    await super.setup()
    this.global.connected = relisten === undefined ? stock : followed
  }

  async teardown() {
    const counts = all.map((each) => each.status().counts)
    const sum = (name) => counts.reduce((total, each) => total + each[name], 0)
    const sums = ['moves', 'reconnects', 'outages', 'lostResponses'].map((name) => [name, sum(name)])
    writeFileSync(account, JSON.stringify({ clients: all.length, ...Object.fromEntries(sums) }))
    await super.teardown()
  }
}
