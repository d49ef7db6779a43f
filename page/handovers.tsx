/** The hand-overs, each with its steps and its gap as a small plot; all plots have one scale. */

import { duration } from '../src/command-line/show.ts'
import { clock } from './clock.ts'
import type { Handover } from './history.ts'
import { Scrolled } from './panel.tsx'

const shown = 12
const width = 320

export function Handovers({ handovers }: { readonly handovers: readonly Handover[] }) {
  if (handovers.length === 0) return <p class="empty">None so far.</p>
  const newest = handovers.slice(-shown).toReversed()
  const longest = Math.max(100, ...newest.map(({ tookMs = 0, gapMs = 0 }) => Math.max(tookMs, gapMs)))
  return (
    <Scrolled label="List of hand-overs">
      <ol class="handovers-list">
        {newest.map((each) => (
          <li key={each.seq}>
            <p>
              <time>{clock(each.at)}</time> <strong>{each.reason}</strong> <span class="quiet">{each.kind}</span>{' '}
              <span class="outcome">{outcome(each)}</span>
            </p>
            <Plot handover={each} longestMs={longest} />
            {each.moves.length > 0 && <p class="quiet moves">{each.moves.join(' · ')}</p>}
          </li>
        ))}
      </ol>
    </Scrolled>
  )
}

const outcome = ({ tookMs, gapMs }: Handover): string => {
  if (tookMs === undefined) return 'under way'
  return gapMs === undefined ? `over after ${duration(tookMs)}` : `gap ${duration(gapMs)}, took ${duration(tookMs)}`
}

function Plot({ handover, longestMs }: { readonly handover: Handover; readonly longestMs: number }) {
  const { steps, tookMs, gapMs = 0 } = handover
  const at = (ms: number) => 4 + (Math.min(ms, longestMs) / longestMs) * (width - 8)
  const text = steps.map(({ name, afterMs }) => `${name} after ${duration(afterMs)}`).join(', ')
  return (
    <svg
      class="plot"
      viewBox={`0 0 ${width} 18`}
      preserveAspectRatio="xMinYMid"
      role="img"
      aria-label={`${outcome(handover)}. ${text}`}
    >
      <line x1={4} x2={width - 4} y1={9} y2={9} class="axis" />
      {tookMs !== undefined && <rect x={4} y={6} width={Math.max(1, at(tookMs) - 4)} height={6} class="took" />}
      {gapMs > 0 && <rect x={4} y={13} width={Math.max(1, at(gapMs) - 4)} height={4} class="gap" />}
      {steps.map(({ name, afterMs }) => (
        <circle key={`${name}${afterMs}`} cx={at(afterMs)} cy={9} r={3} class={name === 'proven' ? 'proven' : 'step'}>
          <title>{`${name} after ${duration(afterMs)}`}</title>
        </circle>
      ))}
    </svg>
  )
}
