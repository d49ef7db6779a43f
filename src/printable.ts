/**
 * A printable text: what a terminal would obey, or a reader would not see as it is, in escapes. Hosts, cluster ids, topics, member
 * ids and errors come from peers, and one of them could otherwise clear the screen, write lines of its own or turn the text round.
 */

const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

// Control characters (C0, DEL, C1), what turns or joins text without being seen (Unicode's bidi controls, zero width), line separators.
const unprintable = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu

/** The text in one line, with each such character as JSON would write it. */
export const printable = (text: string): string =>
  text.replace(unprintable, (one) => short[one] ?? `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
