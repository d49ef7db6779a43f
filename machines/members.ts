/**
 * The members of ours that may still be in the group: named by a broker, and not known to have left. One of them is the living session's,
 * the others are zombie members: the group waits for each until it is evicted or its session times out.
 */

import type { Fact } from './fact.ts'

/** The members after a fact. Pure; a lost member counts until it is evicted, as another coordinator may still know it. */
export function membersAfter(members: readonly string[], fact: Fact): readonly string[] {
  if (fact.type !== 'member.named' && fact.type !== 'member.evicted') return members
  const others = members.filter((memberId) => memberId !== fact.memberId)
  return fact.type === 'member.named' ? [...others, fact.memberId] : others
}
