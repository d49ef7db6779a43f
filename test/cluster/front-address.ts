/** One address of a front: a listener, the broker behind it, and the connections that came in there. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { createFrameRewriter, type Replacements } from './frame-rewriter.ts'

/** How an address stops serving: connections end, are reset, or stay open and never carry a byte again. */
export type Ending = 'fin' | 'rst' | 'silent'

/** What an address leads to. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly replacements: () => Replacements
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

/** `drops` says which requests (by API key) are swallowed on their way to a broker. */
export function createFrontAddress(
  host: string,
  port: number,
  first: Target,
  drops: (apiKey: number) => boolean,
): FrontAddress {
  let target = first
  let server: Server | undefined
  let silent = false
  const links = new Set<Link>()

  const accept = (client: Socket) => {
    const { replacements, ...broker } = target
    const link = { client, broker: connect({ ...broker, noDelay: true }), forwards: !silent, hungUp: false }
    links.add(link)
    client.once('close', () => links.delete(link))
    join(link, replacements, drops)
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
      cut(how)
    },
  }
}

function join(link: Link, replacements: () => Replacements, drops: (apiKey: number) => boolean): void {
  const { client, broker } = link
  const answers = createFrameRewriter(replacements)
  const requests = createFrameRewriter(
    () => new Map(),
    (frame) => frame.length < 6 || !drops(frame.readInt16BE(4)),
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
  if (how === 'rst') link.client.resetAndDestroy()
  if (how === 'fin') {
    link.client.end()
    setTimeout(() => link.client.destroy(), 20)
  }
}
