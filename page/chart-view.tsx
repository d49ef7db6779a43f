/** A chart as it is drawn: the state it is in is lit, and so is the edge that led there. */

import { useEffect, useRef, useState } from 'preact/hooks'
import { type Chart, type ChartEdge, type ChartState, type Charts, lines } from './chart.ts'
import type { Lit } from './history.ts'

/** Smaller than this the text of a chart can't be read: then it goes from top to bottom. */
const leastScale = 0.65

export function ChartView({ charts, lit }: { readonly charts: Charts; readonly lit: Lit | undefined }) {
  const holder = useRef<HTMLElement>(null)
  const [isNarrow, narrow] = useState(false)
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) =>
      narrow((entry?.contentRect.width ?? 0) < charts.wide.width * leastScale),
    )
    if (holder.current) observer.observe(holder.current)
    return () => observer.disconnect()
  }, [charts])
  const chart = isNarrow ? charts.narrow : charts.wide
  const state = chart.states.find(({ id }) => id === lit?.state)
  const edge = chart.edges.find(({ id }) => id === lit?.edge)
  return (
    <figure ref={holder} class={`chart ${isNarrow ? 'narrow' : ''}`}>
      <svg
        viewBox={`0 0 ${chart.width} ${chart.height}`}
        style={{ maxWidth: `${chart.width * 1.15}px` }}
        role="img"
        aria-label={spoken(chart, state)}
      >
        {chart.states.filter(isCompound).map((each) => (
          <StateBox key={each.id} state={each} lit={state} />
        ))}
        {chart.edges.map((each) => (
          <Edge key={each.id} edge={each} isLit={each === edge} at={lit?.since} />
        ))}
        {chart.states
          .filter((each) => !isCompound(each))
          .map((each) => (
            <StateBox key={each.id} state={each} lit={state} />
          ))}
        {edge && lit && edge.length > labelWidth(lit.event) + 40 && (
          <EdgeLabel chart={chart} edge={edge} event={lit.event} />
        )}
      </svg>
      <figcaption>
        {state ? (
          <>
            <strong>{state.id}</strong> {state.description}
            {lit?.edge && (
              <span class="quiet">
                {' '}
                By <code>{lit.event}</code> from {edge?.from}.
              </span>
            )}
          </>
        ) : (
          <span class="quiet">Nothing was recorded yet.</span>
        )}
      </figcaption>
    </figure>
  )
}

const isCompound = ({ kind }: ChartState): boolean => kind === 'compound'

const spoken = (chart: Chart, state: ChartState | undefined): string =>
  `The states of the ${chart.name}. ${state ? `It is in ${state.id}.` : 'It is in none yet.'}`

function StateBox({ state, lit }: { readonly state: ChartState; readonly lit: ChartState | undefined }) {
  const { id, name, description, kind, actors, x, y, width, height } = state
  const isLit = lit?.id === id || (kind === 'compound' && lit?.id.startsWith(`${id}.`))
  const middle = x + width / 2
  const top = kind === 'compound' ? y + lines.title - 5 : y + (height - actors.length * lines.actor) / 2 + 4.5
  return (
    <g class={`state ${kind}`} data-state={id} data-lit={isLit ? '' : undefined}>
      <title>{description}</title>
      <rect x={x} y={y} width={width} height={height} rx={kind === 'final' ? height / 2 : 6} />
      <text x={kind === 'compound' ? x + 10 : middle} y={top} class="name">
        {name}
      </text>
      {actors.map((actor, index) => (
        <text key={actor} x={middle} y={top + (index + 1) * lines.actor} class="actor">
          ▸ {actor}
        </text>
      ))}
    </g>
  )
}

function Edge({
  edge,
  isLit,
  at,
}: {
  readonly edge: ChartEdge
  readonly isLit: boolean
  readonly at: number | undefined
}) {
  return (
    // Made again for each transition, so that it is traced each time.
    <g key={isLit ? at : 0} class="edge" data-edge={edge.id} data-lit={isLit ? '' : undefined}>
      <title>{`${edge.from} → ${edge.to}: ${edge.events.join(', ')}`}</title>
      <path d={edge.path} class="hit" />
      <path d={edge.path} class="line" pathLength={1} />
      <path d={head(edge.path)} class="head" />
    </g>
  )
}

/** The arrow's head: a triangle at the end of the path, which comes along an axis. */
function head(path: string): string {
  const points = [...path.matchAll(/(-?[\d.]+) (-?[\d.]+)/g)].map(([, x, y]) => ({ x: Number(x), y: Number(y) }))
  const [from, to] = points.slice(-2)
  if (!from || !to) return ''
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1
  const [dx, dy] = [(to.x - from.x) / length, (to.y - from.y) / length]
  const [x, y] = [to.x - dx * 7, to.y - dy * 7]
  return `M${to.x} ${to.y}L${x - dy * 3.5} ${y + dx * 3.5}L${x + dy * 3.5} ${y - dx * 3.5}Z`
}

/** An edge that is not much longer has no room for it; the caption names it in any case. */
const labelWidth = (event: string): number => event.length * 6.7 + 12

function EdgeLabel(props: { readonly chart: Chart; readonly edge: ChartEdge; readonly event: string }) {
  const { chart, edge, event } = props
  const width = labelWidth(event)
  const x = Math.min(Math.max(edge.middle.x - width / 2, 2), chart.width - width - 2)
  return (
    <g class="event">
      <rect x={x} y={edge.middle.y - 9} width={width} height={18} rx={9} />
      <text x={x + width / 2} y={edge.middle.y + 4}>
        {event}
      </text>
    </g>
  )
}
