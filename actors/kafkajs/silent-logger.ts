/** KafkaJS's logger, which logs nothing: what happens is a fact, and relisten logs facts. */

import { loggers } from './parts.cjs'

export const silent = loggers.createLogger({ level: loggers.LEVELS.NOTHING, logCreator: () => () => {} })
