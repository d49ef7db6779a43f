/** The actors of the lifecycle, by the names under which the machine invokes them. */

import { backOff } from './back-off.ts'
import { drain } from './drain.ts'
import { open } from './open.ts'
import { prove } from './prove.ts'
import { replace } from './replace.ts'
import { shutDown } from './shut-down.ts'
import type { Supervisor } from './supervisor.ts'
import { task } from './task.ts'

export const actorsOf = (supervisor: Supervisor) => ({
  open: task((...told) => open(supervisor, ...told)),
  drain: task((...told) => drain(supervisor, ...told)),
  rebuild: task((...told) => (told[0].plan?.kind === 'in-place' ? prove : replace)(supervisor, ...told)),
  backOff: task((...told) => backOff(supervisor, ...told)),
  shutDown: task((...told) => shutDown(supervisor, ...told)),
})
