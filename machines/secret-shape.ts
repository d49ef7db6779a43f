/** Shapes of secrets: what in a text looks like one, whoever gave it. Pure; what was given to us is known by value in `actors/security/secrets.ts`. */

/** Stands where a secret was. */
export const redactedMark = '[redacted]'

const pem = /-----BEGIN [A-Z0-9 ]{1,40}-----[\s\S]*?(?:-----END [A-Z0-9 ]{1,40}-----|$)/g
/** A JSON Web Token, also cut off: `{"` in base64 begins with `eyJ`. */
const jwt = /\beyJ[\w-]{8,}(?:\.[\w-]*){0,4}/g
const scheme = /\b(bearer|authorization\W{1,4}\w{1,20})\s+[\w.~+/=-]{8,}/gi
/** `password=…`, `"client_secret":"…"`, `?token=…`: the value goes, its name stays. */
const named = new RegExp(
  [
    '((?:passw(?:or)?d|passphrase|pwd|secret|token|credentials?|api[_-]?key|(?:access|private|secret)[_-]?key|authorization|signature)',
    '[\\w-]{0,20}\\\\{0,2}["\']?\\s{0,4}[:=]\\s{0,4})',
    `(?!${redactedMark.replace(/[[\]]/g, '\\$&')})`,
    '("(?:[^"\\\\]|\\\\.)*"?|\'(?:[^\'\\\\]|\\\\.)*\'?|[^\\s&,;)}\\]]+)',
  ].join(''),
  'gi',
)

/** The text without what looks like a secret: PEM blocks, tokens, values of names that say what they are, user and password of URLs. */
export function withoutSecretShapes(text: string): string {
  return text
    .replace(pem, redactedMark)
    .replace(jwt, redactedMark)
    .replace(scheme, `$1 ${redactedMark}`)
    .replace(named, `$1${redactedMark}`)
    .split(/(\s+)/)
    .map(withoutUserInfo)
    .join('')
}

/**
 * A word without the user information in front of its last `@`. A password may hold `/`, `@`, `:` and `?` though a URL should have
 * them encoded, so the last `@` counts, and a word that could be a host, a path and an `@` in it is taken for a password: a text
 * that says too little is the lesser harm. Not a regular expression, as those look at a long word again from each of its letters.
 */
function withoutUserInfo(word: string): string {
  const at = word.lastIndexOf('@')
  if (at < 0) return word
  const slashes = word.indexOf('//')
  const begin = slashes < 0 || slashes > at ? 0 : slashes + 2
  const before = word.slice(begin, at)
  const isUserOfUrl = begin > 0 && !/[/?#]/.test(before)
  if (!isUserOfUrl && !/[:@]/.test(before)) return word
  return begin > 0 ? word.slice(0, begin) + word.slice(at + 1) : redactedMark + word.slice(at)
}
