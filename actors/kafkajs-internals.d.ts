// KafkaJS 2.2.4 ships no declarations for these modules; the version is pinned exactly.
declare module 'kafkajs/src/cluster/index.js' {
  export default class Cluster {
    constructor(options: Record<string, unknown>)
    refreshMetadata(): Promise<void>
    getNodeIds(): string[]
    findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>
    findTopicPartitionMetadata(topic: string): { partitionId: number; leader: number }[]
  }
}
declare module 'kafkajs/src/consumer/index.js' {
  export default function createConsumer(options: Record<string, unknown>): import('kafkajs').Consumer
}
declare module 'kafkajs/src/instrumentation/emitter.js' {
  export default class InstrumentationEventEmitter {}
}
declare module 'kafkajs/src/network/connectionPool.js' {
  export default class ConnectionPool {
    constructor(options: Record<string, unknown>)
    readonly pool: {
      readonly requestQueue: { destroy(): void }
      readonly sessionLifetime: { toNumber(): number }
    }[]
  }
}
declare module 'kafkajs/src/broker/index.js' {
  export default class Broker {
    constructor(options: Record<string, unknown>)
    connect(): Promise<void>
  }
}
declare module 'kafkajs/src/protocol/encoder.js' {
  export default class Encoder {
    readonly buffer: Buffer
    writeArray(list: readonly unknown[]): this
    writeBoolean(value: boolean): this
  }
}
declare module 'kafkajs/src/protocol/request.js' {
  import type Encoder from 'kafkajs/src/protocol/encoder.js'
  export default function createRequest(options: {
    correlationId: number
    clientId: string
    request: { apiKey: number; apiVersion: number; encode(): Promise<unknown> }
  }): Promise<Encoder>
}
declare module 'kafkajs/src/protocol/requests/index.js' {
  interface Protocol {
    protocol(options: { version: number }): (payload: Record<string, unknown>) => {
      request: { apiKey: number; apiVersion: number; encode(): Promise<unknown> }
      response: { decode(body: Buffer): Promise<never> }
    }
  }
  const protocol: { readonly requests: Readonly<Record<string, Protocol>> }
  export default protocol
}
declare module 'kafkajs/src/loggers/index.js' {
  const loggers: {
    readonly LEVELS: { readonly NOTHING: number }
    createLogger(options: { level: number; logCreator: () => () => void }): unknown
  }
  export default loggers
}
