// As index.mjs, for `relisten/opentelemetry`.
export { instrument } from '../dist/src/opentelemetry.js'
