// What the tests require as `testHelpers`: KafkaJS's own, with clusters that are connected as the environment says.
const within = (path) => require(`${process.cwd()}/${path}`)
const theirs = within('testHelpers/index.js')
const Cluster = within('src/cluster')
const createAdmin = within('src/admin')
const { Kafka } = within('index')

const createCluster = (options = {}, brokers = theirs.plainTextBrokers()) =>
  new Cluster(globalThis.connected({ ...theirs.connectionOpts(), ...options }, brokers))

const withAdmin = async (admin, work) => {
  await admin.connect()
  try {
    await work(admin)
  } finally {
    await admin.disconnect()
  }
}

const createTopic = ({ topic, partitions = 1, replicas = 1, config = [] }) => {
  const kafka = new Kafka(globalThis.connected({ clientId: 'testHelpers' }, theirs.plainTextBrokers()))
  const created = { topic, numPartitions: partitions, replicationFactor: replicas, configEntries: config }
  return withAdmin(kafka.admin(), (admin) => admin.createTopics({ waitForLeaders: true, topics: [created] }))
}

/** Theirs goes through a container. */
const addPartitions = ({ topic, partitions: count }) => {
  const admin = createAdmin({ cluster: createCluster(), logger: theirs.newLogger() })
  return withAdmin(admin, () => admin.createPartitions({ topicPartitions: [{ topic, count }] }))
}

module.exports = { ...theirs, createCluster, createTopic, addPartitions }
