/** The layout: a machine's own states and transitions, placed by ELK. */

import { createRequire } from 'node:module'
import type { ELK, ElkExtendedEdge, ElkNode } from 'elkjs'
import type { AnyStateMachine, AnyStateNode } from 'xstate'
import { type Chart, type ChartEdge, type ChartState, lines } from '../chart.ts'

/** Its declarations and its module do not agree for `import`. */
const Elk: new () => ELK = createRequire(import.meta.url)('elkjs')

const layoutOptions = {
  'elk.algorithm': 'layered',
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.json.edgeCoords': 'ROOT',
  'elk.json.shapeCoords': 'ROOT',
  'elk.layered.cycleBreaking.strategy': 'DEPTH_FIRST',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
  'elk.layered.considerModelOrder.strategy': 'NODES_AND_EDGES',
  'elk.spacing.nodeNode': '16',
  'elk.spacing.edgeNode': '14',
  'elk.spacing.edgeEdge': '10',
  'elk.layered.spacing.nodeNodeBetweenLayers': '22',
  'elk.layered.spacing.edgeNodeBetweenLayers': '12',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '8',
  'elk.padding': '[top=8,left=8,bottom=8,right=8]',
}
/** Widths of a character, in pixels; for the widest font that a system may have. */
const characters = { state: 8.2, actor: 6.4 } as const

export async function layout(machine: AnyStateMachine, direction: 'RIGHT' | 'DOWN'): Promise<Chart> {
  const nodes = nodesIn(machine.root)
  const edges = edgesOf(nodes)
  const graph: ElkNode = {
    id: 'root',
    layoutOptions: { ...layoutOptions, 'elk.direction': direction },
    children: Object.values(machine.root.states).map(boxOf),
    edges: edges.map(({ id, from, to }) => ({ id, sources: [from], targets: [to] })),
  }
  const placed = await new Elk().layout(graph)
  const boxes = new Map(flat(placed).map((box) => [box.id, box]))
  const lined = new Map((placed.edges ?? []).map((edge) => [edge.id, edge]))
  return {
    name: machine.id,
    width: Math.ceil(placed.width ?? 0),
    height: Math.ceil(placed.height ?? 0),
    states: nodes.map((node) => stateOf(node, boxes.get(pathOf(node)))),
    edges: edges.map((edge) => ({ ...edge, ...lineOf(lined.get(edge.id)) })),
  }
}

const pathOf = (node: AnyStateNode): string => node.path.join('.')

const nodesIn = (node: AnyStateNode): AnyStateNode[] =>
  Object.values(node.states).flatMap((each) => [each, ...nodesIn(each)])

/** One edge for each two states that something leads between; what only loops back is none. Where the state around leads there too, it is that one's edge. */
function edgesOf(nodes: readonly AnyStateNode[]): Pick<ChartEdge, 'id' | 'from' | 'to' | 'events'>[] {
  const found = new Map<string, { id: string; from: string; to: string; events: string[] }>()
  for (const node of nodes) {
    for (const { eventType, target = [] } of [...node.transitions.values()].flat()) {
      for (const to of target.map(pathOf)) {
        const around = node.parent && found.get(`${pathOf(node.parent)}→${to}`)
        const id = around?.id ?? `${pathOf(node)}→${to}`
        const edge = around ?? found.get(id) ?? { id, from: pathOf(node), to, events: [] }
        const event = eventName(eventType)
        if (!edge.events.includes(event)) edge.events.push(event)
        found.set(id, edge)
      }
    }
  }
  return [...found.values()]
}

/** As records name it: the library's own events have other names there. */
const eventName = (type: string): string =>
  type.startsWith('xstate.error.actor.')
    ? 'actor.failed'
    : type.startsWith('xstate.done.actor.')
      ? 'actor.completed'
      : type

function boxOf(node: AnyStateNode): ElkNode {
  const children = Object.values(node.states)
  if (children.length > 0) {
    const padding = `[top=${lines.title + 6},left=10,bottom=10,right=10]`
    return { id: pathOf(node), children: children.map(boxOf), layoutOptions: { 'elk.padding': padding } }
  }
  const actors = actorsOf(node)
  const width = Math.max(
    node.key.length * characters.state,
    ...actors.map((name) => (name.length + 2) * characters.actor),
  )
  return { id: pathOf(node), width: Math.ceil(width) + 24, height: lines.state + actors.length * lines.actor + 14 }
}

const actorsOf = (node: AnyStateNode): string[] => node.invoke.map(({ id }) => id)

const flat = (node: ElkNode): ElkNode[] => (node.children ?? []).flatMap((each) => [each, ...flat(each)])

function stateOf(node: AnyStateNode, box: ElkNode | undefined): ChartState {
  const { x = 0, y = 0, width = 0, height = 0 } = box ?? {}
  const kind = node.type === 'final' || node.type === 'compound' ? node.type : 'plain'
  const { key: name, description = '' } = node
  return { id: pathOf(node), name, description, kind, actors: actorsOf(node), x, y, width, height }
}

function lineOf(edge: ElkExtendedEdge | undefined): Pick<ChartEdge, 'path' | 'middle' | 'length'> {
  const points = (edge?.sections ?? []).flatMap(({ startPoint, bendPoints = [], endPoint }) => [
    startPoint,
    ...bendPoints,
    endPoint,
  ])
  const length = lengthsOf(points).reduce((sum, each) => sum + each, 0)
  return { path: rounded(points), middle: middleOf(points, length / 2), length: Math.round(length) }
}

interface Point {
  readonly x: number
  readonly y: number
}

/** A line whose corners are round. */
function rounded(points: readonly Point[]): string {
  return points
    .map((point, index) => {
      const [before, after] = [points[index - 1], points[index + 1]]
      if (!before) return `M${at(point)}`
      if (!after) return `L${at(point)}`
      return `L${at(towards(point, before))}Q${at(point)} ${at(towards(point, after))}`
    })
    .join('')
}

const at = ({ x, y }: Point): string => `${Math.round(x * 10) / 10} ${Math.round(y * 10) / 10}`

function towards(from: Point, to: Point): Point {
  const length = distance(from, to)
  const share = length === 0 ? 0 : Math.min(6, length / 2) / length
  return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share }
}

/** The point of a line that is so far from its start. */
function middleOf(points: readonly Point[], halfway: number): Point {
  const lengths = lengthsOf(points)
  let left = halfway
  for (const [index, length] of lengths.entries()) {
    const [from, to] = [points[index - 1], points[index]]
    if (from && to && length > 0 && left <= length) {
      const share = left / length
      return { x: Math.round(from.x + (to.x - from.x) * share), y: Math.round(from.y + (to.y - from.y) * share) }
    }
    left -= length
  }
  return { x: 0, y: 0 }
}

/** From each point to the one before. */
const lengthsOf = (points: readonly Point[]): number[] =>
  points.map((point, index) => distance(points[index - 1] ?? point, point))

const distance = (from: Point, to: Point): number => Math.hypot(to.x - from.x, to.y - from.y)
