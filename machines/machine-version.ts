/** The version of the machines, which every record names. */

/**
 * Raised with each change that makes an old journal lead to other states, or that renames a fact. 2: a member that is lost before it has
 * joined fails that session. 3: in place and by replacement are states; four facts have other names.
 */
export const machineVersion = '3'
