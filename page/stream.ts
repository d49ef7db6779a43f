/** The stream: what the process sends, message after message. Where it breaks off, the page connects again until it is told not to. */

/** What the server sends, by the name of the message. */
export interface Message {
  readonly event: string
  readonly data: unknown
}

/** `refused`: the token is not that of this process. */
export type Connection = 'connecting' | 'live' | 'lost' | 'refused'

/** The token that the address of this page carries. */
export const token = (): string => new URLSearchParams(location.hash.slice(1)).get('token') ?? ''

const authorization = () => ({ authorization: `Bearer ${token()}` })
const againAfterMs = 1000

/** Follows the process for as long as the page is open. */
export async function follow(take: (message: Message) => void, say: (connection: Connection) => void): Promise<never> {
  for (;;) {
    const isRefused = await connect(take).catch(() => false)
    say(isRefused ? 'refused' : 'lost')
    await new Promise((resolve) => setTimeout(resolve, againAfterMs))
  }
}

/** Asks for something once. Rejects with what the process says of it. */
export async function ask<Answer>(path: string): Promise<Answer> {
  const response = await fetch(path, { headers: authorization() })
  const answer = await response.json()
  if (!response.ok) throw new Error(String(answer.error))
  return answer
}

/** Resolves when the stream has ended: with true where it never began, as the token is a wrong one. */
async function connect(take: (message: Message) => void): Promise<boolean> {
  const response = await fetch('/events', { headers: authorization() })
  if (response.status === 401) return true
  if (!response.ok || !response.body) return false
  let rest = ''
  const text = response.body.pipeThrough(new TextDecoderStream())
  for await (const chunk of text) {
    const messages = (rest + chunk).split('\n\n')
    rest = messages.pop() ?? ''
    for (const each of messages) take(parsed(each))
  }
  return false
}

function parsed(text: string): Message {
  const [event = '', data = ''] = text.split('\n').map((line) => line.slice(line.indexOf(':') + 2))
  return { event, data: JSON.parse(data) }
}
