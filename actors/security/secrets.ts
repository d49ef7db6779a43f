/**
 * Secrets: what this process was given to log in with, kept by value, so that no text that leaves it carries them, whoever wrote it:
 * an error of the user's own code, of a client it calls, of a broker.
 *
 * Texts leave in four places, and each asks here: records (`src/journal/recorder.ts`), errors (`src/error.ts`), what is shown to an
 * inspector (`src/views/redaction.ts`), what is told of what a handler threw (`actors/delivery/handler-error.ts`). A secret in an encoding nobody uses, a part of one, or one of fewer than four characters is not found.
 */

import { inspect } from 'node:util'
import { messageOf } from '../../machines/failure.ts'
import { redactedMark, withoutSecretShapes } from '../../machines/secret-shape.ts'

/** Shorter ones are in every text. */
const leastLength = 4
/** A piece of one, as a line of a key, has to be longer to be known. */
const leastPiece = 16
/** Tokens are renewed all day: the newest are kept, and so much of them, in characters. */
const mostSecrets = 256
const mostLength = 65_536
const usualLength = 4000

/** Each secret with the forms it is found by; the one that was given last is the last. */
const kept = new Map<string, readonly string[]>()
/** All forms, the longest first: a short one may be a part of a long one. */
let forms: readonly string[] | undefined

/** Keeps a secret: a text or bytes, or all of them in a list or an object, as in KafkaJS's and TLS's options. Never throws. */
export function keepSecret(secret: unknown, depth = 0): void {
  try {
    if (typeof secret === 'string') keep(secret)
    else if (ArrayBuffer.isView(secret)) keepBytes(Buffer.from(secret.buffer, secret.byteOffset, secret.byteLength))
    else if (typeof secret === 'object' && secret !== null && depth < 4)
      for (const each of Object.values(secret)) keepSecret(each, depth + 1)
  } catch {
    // Somebody's getter: what can't be read here can't be used either.
  }
}

/** The same provider of tokens, each kept before it is sent. It may end with anything; this one ends with a token or an error. */
export function keepingTokens<Token extends { readonly value: string }>(
  provider: () => Promise<Token>,
): () => Promise<Token> {
  return async () => {
    let token: Partial<Token> | null | undefined
    try {
      token = await provider()
    } catch (thrown) {
      throw new Error(`oauthBearerProvider threw: ${messageOf(thrown)}`)
    }
    keepSecret(token?.value)
    if (typeof token?.value !== 'string') throw new Error('oauthBearerProvider gave no token')
    return token as Token
  }
}

/** The text as others may see it: without secrets, and not longer than a message should be, or than `longest` characters. */
export function withoutSecrets(text: string, longest: number = usualLength): string {
  forms ??= [...new Set([...kept.values()].flat())].sort((one, other) => other.length - one.length)
  let told = text
  for (const form of forms) if (told.includes(form)) told = told.replaceAll(form, redactedMark)
  told = withoutSecretShapes(told)
  return told.length > longest ? `${told.slice(0, longest)}…` : told
}

function keepBytes(bytes: Buffer): void {
  const text = bytes.toString()
  const isText = !text.includes('\ufffd')
  for (const form of isText ? [text] : [bytes.toString('base64'), bytes.toString('hex')]) keep(form)
}

function keep(secret: string): void {
  if (secret.trim().length < leastLength || secret.length > mostLength) return
  const known = kept.get(secret)
  kept.delete(secret)
  kept.set(secret, known ?? formsOf(secret))
  if (known) return
  forms = undefined
  const [oldest] = kept.keys()
  if (kept.size > mostSecrets && oldest !== undefined) kept.delete(oldest)
}

function formsOf(secret: string): readonly string[] {
  const trimmed = secret.trim()
  const lines = trimmed.split(/\r?\n/).map((line) => line.trim())
  const pieces = lines.filter((line) => line.length >= leastPiece && !line.startsWith('-----'))
  const whole = [...new Set([secret, trimmed, trimmed.normalize('NFKC')])]
  const encoded = whole.flatMap((text) => [...written(text), ...packed(text)])
  return [...new Set([...encoded, ...pieces.flatMap(written)])].filter((form) => form.length >= leastLength)
}

/** As it is written into JSON, once and inside of another, into JavaScript, and into URLs. */
function written(text: string): string[] {
  const json = JSON.stringify(text).slice(1, -1)
  const ascii = json.replace(/[\u007f-\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
  const uri = encoded(encodeURIComponent, text)
  const strict = uri.replace(/[!'()*~]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)
  const form = new URLSearchParams([['', text]]).toString().slice(1)
  const uris = [uri, strict, form, encoded(encodeURI, text)]
  const lower = uris.map((each) => each.replace(/%[0-9A-F]{2}/g, (one) => one.toLowerCase()))
  return [text, json, ascii, JSON.stringify(json).slice(1, -1), inspect(text).slice(1, -1), ...uris, ...lower]
}

/** An unpaired surrogate can't be encoded; it is not in any URL then either. */
function encoded(encode: (text: string) => string, text: string): string {
  try {
    return encode(text)
  } catch {
    return text
  }
}

/** In hexadecimal, and in base64 wherever it stands in what was encoded, as in `user:password`. */
function packed(text: string): string[] {
  const bytes = Buffer.from(text)
  const hex = bytes.toString('hex')
  const inBase64 = [0, 1, 2].flatMap((before) => {
    const whole = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    // Letters at the edges are shared with what stands beside it.
    const inner = whole.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))
    return inner.length >= leastLength ? [inner, inner.replaceAll('+', '-').replaceAll('/', '_')] : []
  })
  return [hex, hex.toUpperCase(), ...inBase64]
}
