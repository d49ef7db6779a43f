/** The steady clock: milliseconds since the epoch, counted on from the start of the process. Answers keep their order when the day's is set back. */
export const steadyNow = (): number => performance.timeOrigin + performance.now()
