/** An endpoint: `host:port` under which a broker can be reached. */

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
  return host !== undefined && port > 0 && port < 65536 ? { host: canonicalHost(host), port } : undefined
}

/** One text for each address: IPv6 as RFC 5952 writes it, an IPv4 address in IPv6 as IPv4. Anything else stays as it is. */
export function canonicalHost(host: string): string {
  if (!host.includes(':')) return host
  try {
    const text = new URL(`http://[${host}]`).hostname.slice(1, -1)
    const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text) ?? []
    if (high === undefined || low === undefined) return text
    return [high, low].flatMap((half) => [parseInt(half, 16) >> 8, parseInt(half, 16) & 255]).join('.')
  } catch {
    return host // with a zone, or no address at all
  }
}

export const sameEndpoint = (one: Endpoint, other: Endpoint): boolean =>
  one.host === other.host && one.port === other.port
