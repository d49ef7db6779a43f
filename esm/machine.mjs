// As index.mjs, for `relisten/machine`.
export { lifecycleMachine } from '../dist/src/machine.js'
