// KafkaJS 2.2.4 ships no declarations for these modules; the version is pinned exactly.
declare module 'kafkajs/src/cluster/index.js' {
  import type ConnectionPool from 'kafkajs/src/network/connectionPool.js'

  class Cluster {
    constructor(options: Record<string, unknown>)
    readonly connectionPoolBuilder: { build(destination?: Record<string, unknown>): Promise<ConnectionPool> }
    refreshMetadata(): Promise<void>
    refreshMetadataIfNecessary(): Promise<void>
    getNodeIds(): string[]
    findBroker(node: { readonly nodeId: string }): Promise<import('kafkajs/src/broker/index.js')>
    findTopicPartitionMetadata(topic: string): { partitionId: number; leader: number }[]
  }
  export = Cluster
}
declare module 'kafkajs/src/consumer/index.js' {
  function createConsumer(options: Record<string, unknown>): import('kafkajs').Consumer
  export = createConsumer
}
declare module 'kafkajs/src/instrumentation/emitter.js' {
  class InstrumentationEventEmitter {
    addListener(name: 'consumer.fetch_start', listener: (event: { payload: { nodeId: string } }) => void): void
  }
  export = InstrumentationEventEmitter
}
declare module 'kafkajs/src/network/connectionPool.js' {
  class ConnectionPool {
    constructor(options: Record<string, unknown>)
    readonly pool: {
      readonly requestQueue: {
        readonly pending: readonly unknown[]
        scheduleCheckPendingRequests(): void
        destroy(): void
      }
      readonly sessionLifetime: { toNumber(): number }
      send(call: { readonly request: { readonly apiKey: number } }): Promise<unknown>
    }[]
  }
  export = ConnectionPool
}
declare module 'kafkajs/src/broker/index.js' {
  class Broker {
    constructor(options: Record<string, unknown>)
    connect(): Promise<void>
    fetch(request: { readonly topics: { partitions: readonly unknown[] }[] }): Promise<{
      readonly responses: readonly { readonly partitions: readonly import('./transactions.ts').FetchedRecords[] }[]
    }>
  }
  export = Broker
}
declare module 'kafkajs/src/broker/saslAuthenticator/scram.js' {
  class SCRAM {
    constructor(
      sasl: { username: string; password: string },
      host: string,
      port: number,
      logger: unknown,
      saslAuthenticate: unknown,
      digest: { readonly type: string },
    )
    authenticate(): Promise<void>
    saltPassword(answer: { readonly s: string; readonly i: string }): Promise<Buffer>
  }
  const scram: { SCRAM: typeof SCRAM; DIGESTS: Record<'SHA256' | 'SHA512', { readonly type: string }> }
  export = scram
}
declare module 'kafkajs/src/protocol/encoder.js' {
  class Encoder {
    readonly buffer: Buffer
    writeArray(list: readonly unknown[]): this
    writeBoolean(value: boolean): this
    writeInt8(value: number): this
    writeInt32(value: number): this
    writeUVarInt(value: number): this
    writeUVarIntArray(list: readonly Encoder[]): this
    writeUVarIntBytes(value?: Buffer): this
    writeUVarIntString(value: string): this
    writeInt64(value: string): this
    writeString(value: string | null): this
  }
  export = Encoder
}
declare module 'kafkajs/src/protocol/recordBatch/crc32C/index.js' {
  function crc32C(bytes: Buffer): number
  export = crc32C
}
declare module 'kafkajs/src/protocol/request.js' {
  import Encoder = require('kafkajs/src/protocol/encoder.js')
  function createRequest(options: {
    correlationId: number
    clientId: string
    request: { apiKey: number; apiVersion: number; encode(): Promise<unknown> }
  }): Promise<Encoder>
  export = createRequest
}
declare module 'kafkajs/src/protocol/requests/apiKeys.js' {
  const apiKeys: Readonly<Record<string, number>>
  export = apiKeys
}
declare module 'kafkajs/src/protocol/requests/index.js' {
  const protocol: {
    readonly requests: Readonly<
      Record<
        string,
        {
          readonly versions: readonly string[]
          protocol(options: { version: number }): (payload: object) => {
            request: { apiKey: number; apiVersion: number; encode(): Promise<unknown> }
            response: { decode(body: Buffer): Promise<never> }
          }
        }
      >
    >
  }
  export = protocol
}
declare module 'kafkajs/src/loggers/index.js' {
  const loggers: {
    readonly LEVELS: { readonly NOTHING: number }
    createLogger(options: { level: number; logCreator: () => () => void }): unknown
  }
  export = loggers
}
declare module 'kafkajs/src/consumer/assignerProtocol.js' {
  const assignerProtocol: typeof import('kafkajs').AssignerProtocol
  export = assignerProtocol
}
