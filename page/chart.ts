/** The charts: the machines as drawings, laid out when the package is built. Coordinates in pixels. */

/** A state, as a box. Ids are paths from the root, as in `draining.in-place`. */
export interface ChartState {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly kind: 'plain' | 'final' | 'compound'
  /** The actors that run while it is in the state. */
  readonly actors: readonly string[]
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** Everything that leads from one state to another, as one line. */
export interface ChartEdge {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly events: readonly string[]
  /** As the attribute `d` of a path. */
  readonly path: string
  readonly middle: { readonly x: number; readonly y: number }
  /** How long the line is. */
  readonly length: number
}

/** A machine laid out from left to right, and from top to bottom for narrow pages. */
export interface Charts {
  readonly wide: Chart
  readonly narrow: Chart
}

export interface Chart {
  readonly name: string
  readonly width: number
  readonly height: number
  readonly states: readonly ChartState[]
  readonly edges: readonly ChartEdge[]
}

/** Heights of lines of text, in pixels. */
export const lines = { state: 16, actor: 13, title: 22 } as const

/** The state that is lit for a value and what is nested in it: the innermost one that the chart has. */
export function litState(chart: Chart, state: string, nested: string | undefined): string {
  const inner = `${state}.${nested}`
  return chart.states.some(({ id }) => id === inner) ? inner : state
}

/** The edge that a fact has led along; undefined where it stayed where it was. */
export function edgeOf(chart: Chart, from: string, to: string, event: string): ChartEdge | undefined {
  const leaves = (edge: ChartEdge) => from === edge.from || from.startsWith(`${edge.from}.`)
  return chart.edges.find((edge) => edge.to === to && leaves(edge) && edge.events.includes(event))
}
