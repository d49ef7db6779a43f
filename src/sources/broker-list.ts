/** A list of brokers as a file holds it: text, or JSON. */

import { parseEndpoint } from '../../machines/endpoint.ts'

/**
 * The entries of a text: `host:port` with line breaks or commas between them and comments from `#` to the end of a line, or a JSON list of strings.
 * Strict, as half of a file often looks like a shorter one: throws where an entry is not `host:port` to its end, and where there is none. Errors
 * name lines and never what stands there: a wrong path may lead to somebody's passwords.
 */
export function parseBrokerList(text: string): readonly string[] {
  const clean = text.replace(/^\uFEFF/, '')
  // `[` also begins an IPv6 address.
  const entries = /^\s*\[\s*(?:["\]]|$)/.test(clean) ? jsonEntries(clean) : textEntries(clean)
  if (entries.length === 0) throw new Error('there is no broker in it')
  return entries
}

function textEntries(text: string): string[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    const entries = line
      .replace(/#.*/, '')
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== '')
    if (!entries.every(isWhole)) throw new Error(`line ${index + 1} is not \`host:port\``)
    return entries
  })
}

function jsonEntries(text: string): string[] {
  const list = parsed(text)
  if (!Array.isArray(list)) throw new Error('it begins like a JSON list and is none')
  const bad = list.findIndex((entry) => typeof entry !== 'string' || !isWhole(entry))
  if (bad >= 0) throw new Error(`entry ${bad + 1} of the JSON list is not \`host:port\``)
  return list
}

/** Undefined where it is no JSON: what JSON.parse throws quotes the text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** With its port: a host alone may be half of an entry. */
const isWhole = (entry: string): boolean =>
  /^(?:[\w.-]+|\[[\da-fA-F:.]+\]):\d+$/.test(entry) && parseEndpoint(entry) !== undefined
