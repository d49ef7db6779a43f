/**
 * The form of a scenario: short in `npm test` and `npm run test:conditions`, long in `npm run test:long`. Both have the same bounds; the long one has the
 * lengths and numbers that are meant, the short one as much of them as fits.
 */

export const isLong = process.env.RELISTEN_FORM === 'long'

/** What it is in the form of this run. */
export const form = <Value>(short: Value, long: Value): Value => (isLong ? long : short)
