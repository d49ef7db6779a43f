// As index.mjs, for `relisten/balancer`.
export { createBalancer } from '../dist/src/balancer.js'
