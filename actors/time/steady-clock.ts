/**
 * The steady clock: milliseconds since the epoch, counted on from the start of the process. Answers are put in order by it, so a clock of
 * the day that is set back makes no new answer look older than those before.
 */
export const steadyNow = (): number => performance.timeOrigin + performance.now()
