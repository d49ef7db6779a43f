/** An endpoint: `host:port` under which a broker can be dialled. */

/** One address of a broker. `host` is a name, an IPv4 or a bare IPv6 address; `port` is 1–65535. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** `host:port`, with brackets round an IPv6 address. */
export const formatEndpoint = ({ host, port }: Endpoint): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

/** Reads `host:port`, `[v6]:port` or a bare host (port 9092, Kafka's default); undefined when it is none of these. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/@[\]]+))(?::(\d{1,5}))?$/.exec(text.trim())
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3] ?? 9092)
  return host !== undefined && port > 0 && port < 65536 ? { host, port } : undefined
}

export const sameEndpoint = (one: Endpoint, other: Endpoint): boolean =>
  one.host === other.host && one.port === other.port
