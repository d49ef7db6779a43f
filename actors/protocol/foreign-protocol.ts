/** Foreign protocols: who speaks where a broker should, by the first bytes that come. */

/** What gave it away: a code for programs, a message for people. */
export interface ForeignProtocol {
  readonly code: 'HTTP_ANSWERED' | 'TLS_ANSWERED' | 'TEXT_ANSWERED'
  readonly message: string
}

const recordTypes: ReadonlySet<number> = new Set([20, 21, 22, 23])
/** As much of what was said as a message quotes. */
const mostQuoted = 40

/** The protocol that begins like this; undefined where it may be Kafka's, whose first bytes are the length of a frame. */
export function foreignProtocol(first: Buffer): ForeignProtocol | undefined {
  const [type = 0, major, minor = 9] = first
  if (recordTypes.has(type) && major === 3 && minor <= 4)
    return { code: 'TLS_ANSWERED', message: 'it answers in TLS, and plain text was spoken' }
  const text = first.toString('latin1', 0, mostQuoted)
  if (/^HTTP\//.test(text)) return { code: 'HTTP_ANSWERED', message: 'an HTTP server answers there, and no broker' }
  // A frame that long would be 512 MiB and more: what says so are letters.
  if (!/^[\x20-\x7e]{4}/.test(text)) return undefined
  return { code: 'TEXT_ANSWERED', message: `it answers with the text ${JSON.stringify(text)}, which is not Kafka's` }
}
