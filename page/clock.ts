/** The clock: a time of the day as this browser's place has it. */

const times = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
})
const days = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium' })

export const clock = (at: number): string => times.format(at)
export const day = (at: number): string => days.format(at)
