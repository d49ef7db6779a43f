/** PromQL expressions, parsed: what they select, the labels they name, and what stands before their comparisons. */
import { parser } from '@prometheus-io/lezer-promql'

type SyntaxNode = ReturnType<typeof parser.parse>['topNode']

/** One selection of series. */
export interface Selection {
  /** What the name of a metric has to match. */
  readonly name: RegExp
  /** As it is written, for messages. */
  readonly text: string
  readonly labels: readonly string[]
}

/** Labels that an operator names (`by`, `on`, `without`, …), with what is selected below it. */
export interface Grouping {
  readonly text: string
  readonly labels: readonly string[]
  readonly of: readonly Selection[]
}

/** What the parser does not understand, each with what follows it. */
export function errorsIn(expr: string): string[] {
  return nodesOf(expr, (node) => node.type.isError).map(({ from }) => `at ${from}: ${expr.slice(from, from + 30)}`)
}

export const selectionsIn = (expr: string): Selection[] =>
  nodesOf(expr, ({ name }) => name === 'VectorSelector').map((node) => selection(expr, node))

export function groupingsIn(expr: string): Grouping[] {
  const selectors = nodesOf(expr, ({ name }) => name === 'VectorSelector')
  return nodesOf(expr, ({ name }) => name === 'GroupingLabels').map((node) => {
    const over = node.parent?.parent ?? node
    return {
      text: expr.slice(node.from, node.to),
      labels: node.getChildren('LabelName').map(({ from, to }) => expr.slice(from, to)),
      of: selectors.filter(({ from, to }) => from >= over.from && to <= over.to).map((each) => selection(expr, each)),
    }
  })
}

/** Labels that the series of its result may have, beside those that all series have; undefined: whatever is selected. */
export function labelsLeft(expr: string): readonly string[] | undefined {
  // topk leaves the labels as they are
  const aggregates = nodesOf(
    expr,
    (node) => node.name === 'AggregateExpr' && !node.getChild('AggregateOp')?.getChild('Topk'),
  )
  const isInside = (node: SyntaxNode) => aggregates.some(({ from, to }) => from < node.from && to >= node.to)
  const modifiers = aggregates.filter((node) => !isInside(node)).map((node) => node.getChild('AggregateModifier'))
  const isAll = nodesOf(expr, ({ name }) => name === 'VectorSelector').every(isInside)
  if (!isAll || modifiers.some((modifier) => modifier?.getChild('Without'))) return undefined
  return modifiers.flatMap((modifier) =>
    (modifier?.getChild('GroupingLabels')?.getChildren('LabelName') ?? []).map(({ from, to }) => expr.slice(from, to)),
  )
}

/** The expression without its comparisons with numbers: series are there also while nothing is wrong. */
export function withoutComparisons(expr: string): string {
  const comparisons = ['Gtr', 'Lss', 'Gte', 'Lte', 'EqlC', 'Neq']
  return nodesOf(expr, ({ name }) => name === 'BinaryExpr')
    .filter(
      (node) => comparisons.some((name) => node.getChild(name)) && node.lastChild?.name === 'NumberDurationLiteral',
    )
    .toSorted((one, other) => other.from - one.from)
    .reduce((text, { firstChild, to }) => `${text.slice(0, firstChild?.to)}${text.slice(to)}`, expr)
}

function selection(expr: string, node: SyntaxNode): Selection {
  const plain = node.getChild('Identifier')
  const matchers = (node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []).map((matcher) =>
    expr.slice(matcher.from, matcher.to),
  )
  const labels = matchers.map((matcher) => /^\w+/.exec(matcher)?.[0] ?? '')
  const [, pattern] = /^__name__=~"(.*)"$/.exec(matchers[labels.indexOf('__name__')] ?? '') ?? []
  const name = plain ? expr.slice(plain.from, plain.to) : pattern
  if (name === undefined) throw new Error(`No name is selected by ${expr.slice(node.from, node.to)}`)
  return {
    name: new RegExp(`^(?:${name})$`),
    text: name,
    labels: labels.filter((label) => label !== '__name__'),
  }
}

function nodesOf(expr: string, isWanted: (node: SyntaxNode) => boolean): SyntaxNode[] {
  const found: SyntaxNode[] = []
  parser.parse(expr).iterate({
    enter: ({ node }) => {
      if (isWanted(node)) found.push(node)
    },
  })
  return found
}
