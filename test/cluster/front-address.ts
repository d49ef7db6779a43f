/** One address of a front: a listener, the broker behind it, and the connections that came in there. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createSecureContext, TLSSocket } from 'node:tls'
import { createDelayed, distant, type Exit, type Road } from './distance.ts'
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

/** What a reset comes in the place of: a request, which the broker never sees, or the answer to one that it has carried out. */
export type Cut = 'request' | 'answer'

/** What becomes of a request on its way to a broker. */
export interface Passage {
  /** Swallowed. */
  readonly dropped: boolean
  /** Milliseconds for which it is held, and all behind it on the same connection: a broker reads one request at a time. */
  readonly heldMs: number
  /** Texts that arrive as others of the same length. */
  readonly misread: Replacements
}

export interface AddressOptions {
  /** Asked for each request, by its API key. */
  readonly passage: (apiKey: number) => Passage
  /** Asked for each request, and for each answer once it has come: whether that ends its connection by a reset in its place. */
  readonly cut: (kind: Cut, apiKey: number) => boolean
  /** What lies before this address, asked for each connection; undefined for nothing. */
  readonly road: () => Road | undefined
  /** The way out of the node behind it. */
  readonly exit: Exit
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
  /**
   * The packets of connections there are now vanish both ways from now on, as behind a NAT that forgot them; new ones work. With
   * `carried` only of those that have carried a request with this API key. Returns how many.
   */
  forget(carried?: number): number
  /** Resolves when it accepts and forwards. Reopening a silent address resets the connections it still holds. */
  listen(): Promise<void>
  /** Takes effect before it returns. */
  end(how: Ending): void
}

interface Link {
  /** The client's connection itself. */
  readonly socket: Socket
  /** The same as it is at this address, without road and TLS. */
  readonly client: Duplex
  readonly broker: Socket
  /** Behind a road. */
  readonly isFar: boolean
  /** API keys of what it has carried to the broker. */
  readonly carried: Set<number>
  /** False from the moment the address ends: what still arrives is read and thrown away. */
  forwards: boolean
  /** The client has sent its FIN. */
  hungUp: boolean
}

export function createFrontAddress(
  host: string,
  port: number,
  first: Target,
  { passage, cut, road, exit, tap, tls }: AddressOptions,
): FrontAddress {
  const context = tls && createSecureContext(tls)
  let target = first
  let accepted = 0
  let server: Server | undefined
  let silent = false
  const links = new Set<Link>()

  const accept = (socket: Socket) => {
    const { replacements, ...broker } = target
    const before = road()
    const near = before === undefined ? socket : distant(socket, before, exit)
    const client = context ? new TLSSocket(near as Socket, { isServer: true, secureContext: context }) : near
    const link: Link = {
      ...{ socket, client, broker: connect({ ...broker, noDelay: true }), carried: new Set() },
      ...{ isFar: before !== undefined, forwards: !silent, hungUp: false },
    }
    links.add(link)
    socket.once('close', () => links.delete(link))
    accepted += 1
    const connection = accepted
    const see = tap && ((kind: Seen['kind'], apiKey: number) => tap({ at: Date.now(), host, connection, kind, apiKey }))
    see?.('accepted', -1)
    join(link, replacements, { passage, cut }, see)
  }

  const partAll = (how: Ending) => {
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
      if (elsewhere) partAll('fin')
    },
    forget(carried) {
      const forgotten = [...links].filter((link) => carried === undefined || link.carried.has(carried))
      for (const link of forgotten) part(link, 'silent')
      return forgotten.length
    },
    async listen() {
      if (silent) partAll('rst')
      silent = false
      if (server !== undefined) return
      const opened = createServer({ noDelay: true, allowHalfOpen: true }, accept)
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
      partAll(how)
    },
  }
}

type See = (kind: Seen['kind'], apiKey: number) => void

function join(
  link: Link,
  replacements: () => Replacements,
  { passage, cut }: Pick<AddressOptions, 'passage' | 'cut'>,
  see?: See,
): void {
  const { client, broker, carried } = link
  const held = createDelayed()
  /** Correlation id → API key of what was asked. */
  const asked = new Map<number, number>()
  const passes = (kind: Cut, apiKey: number) => {
    if (link.forwards && cut(kind, apiKey)) part(link, 'rst')
    return link.forwards
  }
  const answers = createFrameRewriter(replacements, (frame) => {
    const id = frame.length < 8 ? undefined : frame.readInt32BE(4)
    const apiKey = id === undefined ? undefined : asked.get(id)
    if (id === undefined || apiKey === undefined) return true
    asked.delete(id)
    see?.('answer', apiKey)
    return passes('answer', apiKey)
  })
  let misread: Replacements = new Map()
  const requests = createFrameRewriter(
    () => misread,
    (frame) => {
      if (frame.length < 12) return true
      const apiKey = frame.readInt16BE(4)
      const { dropped, heldMs, misread: texts } = passage(apiKey)
      if (dropped || !passes('request', apiKey)) return false
      misread = texts
      carried.add(apiKey)
      asked.set(frame.readInt32BE(8), apiKey)
      see?.('request', apiKey)
      if (heldMs > 0) held.put(heldMs, () => {})
      return true
    },
  )
  const pass = (frames: Buffer[]) => forward(frames, client, broker)
  client.on('data', (chunk) => {
    if (!link.forwards) return
    const frames = requests.push(chunk)
    if (held.waiting === 0) pass(frames)
    else held.put(0, () => link.forwards && pass(frames))
  })
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

function forward(frames: Buffer[], from: Duplex, to: Duplex): void {
  for (const frame of frames) {
    if (!to.writable) return
    if (to.write(frame) || from.isPaused()) continue
    from.pause()
    to.once('drain', () => from.resume())
  }
}

function part(link: Link, how: Ending): void {
  link.forwards = false
  if (how === 'rst') link.socket.resetAndDestroy()
  if (how === 'fin') {
    link.client.end()
    // with TLS the socket under it would stay; behind a road it goes when what was sent has arrived
    setTimeout(() => {
      link.client.destroy()
      if (!link.isFar) link.socket.destroy()
    }, 20)
  }
}
