/** Tests that pass on stock KafkaJS and need not pass over wires, each with its reason. */

export interface Exception {
  /** From the root of KafkaJS's repository. */
  readonly file: string
  readonly title: string
  /** Why it can not pass, or what it asks for that a wire does not have. */
  readonly reason: string
}

export const exceptions: readonly Exception[] = []
