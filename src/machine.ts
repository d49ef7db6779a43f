/**
 * relisten/machine: the lifecycle as a machine of XState, to be drawn or simulated. Its type is made of XState's, whose declarations do not
 * stand `exactOptionalPropertyTypes`: so it is not among the other exports, whose users may check them.
 */

export { lifecycleMachine } from '../machines/lifecycle.ts'
