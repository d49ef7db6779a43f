/**
 * The parts of KafkaJS that relisten takes beside its declarations. They are required here and imported together, which takes Node less
 * than importing each of them, and a bundler still finds them.
 */

exports.apiKeys = require('kafkajs/src/protocol/requests/apiKeys.js')
exports.assignerProtocol = require('kafkajs/src/consumer/assignerProtocol.js')
exports.Broker = require('kafkajs/src/broker/index.js')
exports.Cluster = require('kafkajs/src/cluster/index.js')
exports.ConnectionPool = require('kafkajs/src/network/connectionPool.js')
exports.createConsumer = require('kafkajs/src/consumer/index.js')
exports.crc32C = require('kafkajs/src/protocol/recordBatch/crc32C/index.js')
exports.createRequest = require('kafkajs/src/protocol/request.js')
exports.Encoder = require('kafkajs/src/protocol/encoder.js')
exports.InstrumentationEventEmitter = require('kafkajs/src/instrumentation/emitter.js')
exports.loggers = require('kafkajs/src/loggers/index.js')
exports.protocol = require('kafkajs/src/protocol/requests/index.js')
exports.scram = require('kafkajs/src/broker/saslAuthenticator/scram.js')
