/** One address of a front: a listener, the broker behind it, and the connections that came in there. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { createServer as createSecureServer, TLSSocket } from 'node:tls'
import { createFrameRewriter, type Replacements } from './frame-rewriter.ts'

/** How an address stops serving: connections end, are reset, or stay open and never carry a byte again. */
export type Ending = 'fin' | 'rst' | 'silent'

/** What an address leads to. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly replacements: () => Replacements
}

/** What a tap sees: a connection that was accepted, a request, or the answer to one. Frames of 64 KiB and more pass unseen. */
export interface Seen {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly host: string
  /** Numbers the connections of one address. */
  readonly connection: number
  readonly kind: 'accepted' | 'request' | 'answer'
  /** -1 for an accepted connection. */
  readonly apiKey: number
}

export interface AddressOptions {
  /** Says which requests (by API key) are swallowed on their way to a broker. */
  readonly drops: (apiKey: number) => boolean
  /** Called for what passes. */
  readonly tap?: ((seen: Seen) => void) | undefined
  /** TLS ends here: key and certificate, PEM. What is inside goes to the broker as it is. */
  readonly tls?: { readonly key: string; readonly cert: string } | undefined
}

export interface FrontAddress {
  readonly host: string
  /** Clients connected now; one that hung up on a silent address no longer counts. */
  readonly connections: number
  /** Where connections lead from now on; if that is elsewhere than before, those of now end by FIN. */
  lead(target: Target): void
  /** Resolves when it accepts and forwards. Reopening a silent address resets the connections it still holds. */
  listen(): Promise<void>
  /** Takes effect before it returns. */
  end(how: Ending): void
}

interface Link {
  readonly client: Socket
  readonly broker: Socket
  /** False from the moment the address ends: what still arrives is read and thrown away. */
  forwards: boolean
  /** The client has sent its FIN. */
  hungUp: boolean
}

export function createFrontAddress(
  host: string,
  port: number,
  first: Target,
  { drops, tap, tls }: AddressOptions,
): FrontAddress {
  let target = first
  let accepted = 0
  let server: Server | undefined
  let silent = false
  const links = new Set<Link>()

  const accept = (client: Socket) => {
    const { replacements, ...broker } = target
    const link = { client, broker: connect({ ...broker, noDelay: true }), forwards: !silent, hungUp: false }
    links.add(link)
    client.once('close', () => links.delete(link))
    accepted += 1
    const connection = accepted
    const see = tap && ((kind: Seen['kind'], apiKey: number) => tap({ at: Date.now(), host, connection, kind, apiKey }))
    see?.('accepted', -1)
    join(link, replacements, drops, see)
  }

  const cut = (how: Ending) => {
    for (const link of links) part(link, how)
  }

  return {
    host,
    get connections() {
      return [...links].filter((link) => !link.hungUp).length
    },
    lead(next) {
      const elsewhere = next.host !== target.host || next.port !== target.port
      target = next
      if (elsewhere) cut('fin')
    },
    async listen() {
      if (silent) cut('rst')
      silent = false
      if (server !== undefined) return
      const opened = tls
        ? createSecureServer({ ...tls, noDelay: true }, accept)
        : createServer({ noDelay: true, allowHalfOpen: true }, accept)
      // a client that leaves in the middle of its handshake is no error of the front
      opened.on('tlsClientError', () => {})
      server = opened
      await new Promise<void>((resolve, reject) => {
        opened.once('error', reject)
        opened.listen({ host, port }, resolve)
      })
    },
    end(how) {
      if (how !== 'silent') {
        server?.close()
        server = undefined
      }
      silent = how === 'silent'
      cut(how)
    },
  }
}

type See = (kind: Seen['kind'], apiKey: number) => void

function join(link: Link, replacements: () => Replacements, drops: AddressOptions['drops'], see?: See): void {
  const { client, broker } = link
  /** Correlation id → API key of what was asked. */
  const asked = new Map<number, number>()
  const answers = createFrameRewriter(replacements, (frame) => {
    const id = see === undefined || frame.length < 8 ? undefined : frame.readInt32BE(4)
    const apiKey = id === undefined ? undefined : asked.get(id)
    if (id !== undefined && apiKey !== undefined) {
      asked.delete(id)
      see?.('answer', apiKey)
    }
    return true
  })
  const requests = createFrameRewriter(
    () => new Map(),
    (frame) => {
      if (frame.length < 12) return true
      const apiKey = frame.readInt16BE(4)
      if (drops(apiKey)) return false
      if (see) asked.set(frame.readInt32BE(8), apiKey)
      see?.('request', apiKey)
      return true
    },
  )
  client.on('data', (chunk) => link.forwards && forward(requests.push(chunk), client, broker))
  broker.on('data', (chunk) => link.forwards && forward(answers.push(chunk), broker, client))
  client.on('end', () => {
    link.hungUp = true
    if (link.forwards) broker.end()
  })
  broker.on('end', () => link.forwards && client.end())
  client.on('close', () => broker.destroy())
  broker.on('close', () => link.forwards && client.destroy())
  // 'close' follows every error and says all that matters here
  client.on('error', () => {})
  broker.on('error', () => {})
}

function forward(frames: Buffer[], from: Socket, to: Socket): void {
  for (const frame of frames) {
    if (!to.writable) return
    if (to.write(frame) || from.isPaused()) continue
    from.pause()
    to.once('drain', () => from.resume())
  }
}

function part(link: Link, how: Ending): void {
  link.forwards = false
  // only a plain socket can be reset
  if (how === 'rst' && link.client instanceof TLSSocket) link.client.destroy()
  else if (how === 'rst') link.client.resetAndDestroy()
  if (how === 'fin') {
    link.client.end()
    setTimeout(() => link.client.destroy(), 20)
  }
}
