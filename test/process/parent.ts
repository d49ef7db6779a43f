/** The one who forked this process, seen from inside. */

/** Says that this process is up, does what it is told from then on, and ends with whoever forked it. */
export function obey<To>(told: (message: To) => unknown): void {
  process.on('message', told)
  process.on('disconnect', () => process.exit())
  void tellParent({ kind: 'up' })
}

/** Resolves when it is said. */
export function tellParent<From extends object>(message: From): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, () => resolve())
  })
}

/** Questions to the parent, told apart by number. */
export class Questions<Answer> {
  private readonly waiting = new Map<number, (answer: Answer) => void>()
  private asked = 0

  /** Puts a question under its number; resolves with the answer that comes under it. */
  ask(put: (question: number) => unknown): Promise<Answer> {
    this.asked += 1
    const question = this.asked
    return new Promise((resolve) => {
      this.waiting.set(question, resolve)
      put(question)
    })
  }

  answered(question: number, answer: Answer): void {
    this.waiting.get(question)?.(answer)
    this.waiting.delete(question)
  }
}

/** The outcome of something it was told to do, as JSON: empty, or with the text of the error. */
export async function outcomeOf(work: () => Promise<unknown>): Promise<{ error?: string }> {
  return work().then(
    () => ({}),
    (thrown: unknown) => ({ error: String(thrown) }),
  )
}
