/** The inspector that the environment asks for: `RELISTEN_INSPECT` is its port, `RELISTEN_INSPECT_TOKEN` its token. One for the whole process. */

import { messageOf } from '../../machines/failure.ts'
import { Feed } from './feed.ts'
import { printAddress, served } from './inspector.ts'

let feed: Feed | undefined

/** Made for the first consumer. Undefined where the environment asks for none; where it can't listen, standard error says so, and consumers go on. */
export function ofEnvironment(): Feed | undefined {
  const port = process.env.RELISTEN_INSPECT
  if (port === undefined || port === '' || feed) return feed
  feed = new Feed()
  const token = process.env.RELISTEN_INSPECT_TOKEN || undefined
  const say = (text: string) => process.stderr.write(`relisten: ${text}\n`)
  served(feed, { port: /^\d+$/.test(port) ? Number(port) : Number.NaN, token }).then(
    ({ url }) => printAddress(url),
    (error) => say(`RELISTEN_INSPECT=${port} shows nothing: ${messageOf(error)}`),
  )
  return feed
}
