// Security: nothing goes where it must not, and no secret shows anywhere.

import type { Oracle } from './oracle.ts'

/** Versions, login and the question who it is: all that an endpoint may hear before it has shown which cluster it belongs to. */
const beforeIdentity: ReadonlySet<number> = new Set([3, 17, 18, 36])

/** S9: no connection to an endpoint that is not allowed, and nothing of the consumer's to another cluster. */
export function onlyOurCluster(): Oracle {
  return {
    id: 'S9',
    see(sighting) {
      if (sighting.type === 'dialled' && !sighting.isAllowed)
        return `${sighting.life} dials ${sighting.place}, which is not allowed`
      if (sighting.type !== 'wrote') return undefined
      const { life, place, apiKey, isAllowed, isForeign } = sighting
      if (!isAllowed) return `${life} writes to ${place}, which is not allowed`
      if (!isForeign || beforeIdentity.has(apiKey)) return undefined
      return `${life} sends a request of kind ${apiKey} to another cluster at ${place}`
    },
  }
}

/** S10: no secret in the journal, log, errors or inspector's output. */
export function noSecret(secrets: readonly string[]): Oracle {
  return {
    id: 'S10',
    see(sighting) {
      if (sighting.type !== 'artefact') return undefined
      const found = secrets.find((secret) => sighting.text.includes(secret))
      return found === undefined ? undefined : `${sighting.what} of ${sighting.life} shows the secret ${found}`
    },
  }
}
