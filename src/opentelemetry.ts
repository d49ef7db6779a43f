/** `relisten/opentelemetry`: metrics and traces of the consumers of this process. `@opentelemetry/api` is needed. */

export { type InstrumentOptions, instrument } from './opentelemetry/instrument.ts'
