// What a partition knows of its idempotent producers, as Kafka's ProducerStateManager keeps it: the last five batches of each.

interface Batch {
  readonly first: number
  readonly last: number
  readonly offset: number
}

interface State {
  epoch: number
  batches: Batch[]
}

const keptBatches = 5
const sequences = 2 ** 31

/** Whose batch it is, and where it stands among that producer's. */
export interface Sequenced {
  readonly producerId: number
  readonly epoch: number
  readonly sequence: number
  readonly count: number
}

export type Verdict =
  | { readonly kind: 'new' | 'fenced' | 'gap' }
  | { readonly kind: 'duplicate'; readonly offset: number }

export class ProducerStates {
  private readonly states = new Map<number, State>()

  judge(batch: Sequenced): Verdict {
    const state = this.states.get(batch.producerId)
    // The first that is heard of a producer is taken with whatever sequence it has.
    if (!state) return { kind: 'new' }
    if (batch.epoch < state.epoch) return { kind: 'fenced' }
    if (batch.epoch > state.epoch) return { kind: batch.sequence === 0 ? 'new' : 'gap' }
    const known = state.batches.find(({ first, last }) => first === batch.sequence && last === lastOf(batch))
    if (known) return { kind: 'duplicate', offset: known.offset }
    const expected = ((state.batches.at(-1)?.last ?? -1) + 1) % sequences
    return { kind: batch.sequence === expected ? 'new' : 'gap' }
  }

  /** It is in the log at this offset. */
  note(batch: Sequenced, offset: number): void {
    const known = this.states.get(batch.producerId)
    const state = known?.epoch === batch.epoch ? known : { epoch: batch.epoch, batches: [] }
    state.batches = [...state.batches, { first: batch.sequence, last: lastOf(batch), offset }].slice(-keptBatches)
    this.states.set(batch.producerId, state)
  }
}

const lastOf = ({ sequence, count }: Sequenced): number => (sequence + count - 1) % sequences
