/** The source of brokers of all members, with its moods. */
import type { Front } from '../cluster/front.ts'
import type { SourceAnswer } from './member.ts'

export type SourceMood = 'right' | 'late' | 'fails' | 'hangs'

export interface Source {
  answer(): SourceAnswer
  /** `late`: it goes on with what it says now. */
  become(mood: SourceMood): void
}

/** `canary` is in what it says when it fails, where a password would be. */
export function createSource(front: Front, canary: string, onRight: () => void): Source {
  let mood: SourceMood = 'right'
  let known: string[] = front.endpoints()
  return {
    answer() {
      if (mood === 'hangs') return 'hangs'
      if (mood === 'fails') return { error: `cannot read https://reader:${canary}@settings.example/brokers` }
      if (mood === 'right') known = front.endpoints()
      return { answer: known }
    },
    become(next) {
      known = front.endpoints()
      mood = next
      if (mood === 'right') onRight()
    },
  }
}
