/** A question of the doctor's to one broker. */

import type { HeldConnection } from '../../actors/connection/connection.ts'
import type { Call } from '../../actors/kafkajs/calls.ts'
import { within } from '../../actors/time/deadline.ts'

const askMs = 3000

/** Rejects after 3 s, and when the connection ends. */
export const asked = <Answer>(connection: HeldConnection, call: Call<Answer>): Promise<Answer> =>
  within(connection.ask(call, false), askMs, 'It did not answer')
