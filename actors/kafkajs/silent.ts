/** KafkaJS says nothing: what happens is a fact, and relisten logs those. */

import { loggers } from './parts.cjs'

export const silent = loggers.createLogger({ level: loggers.LEVELS.NOTHING, logCreator: () => () => {} })
