/**
 * What plans leave of the imbalance, over the bytes that they move: ours, and the greedy pass. `npm run bench:plans -- [--quick] [--only NAME]` prints a
 * table; a whole run writes `benchmarks/plans.json` too, from which `npm run bench -- --render` writes the section of BENCHMARKS.md. The imbalance is the sum over network in, network out and disk of the squared coefficient of variation, weighted by capacity.
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type ClusterModel, resources } from '../../machines/balancer/cluster-model.ts'
import type { Step } from '../../machines/balancer/plan.ts'
import { planMoves } from '../../machines/balancer/planner.ts'
import { checkedOutCommit } from '../checkout.ts'
import {
  type ClusterShape,
  hotTopic,
  lostBroker,
  mixedCapacity,
  newBroker,
  randomCluster,
  settings,
  skewed,
  slowBroker,
} from './clusters.ts'
import { greedyPass } from './greedy-pass.ts'
import { cellsOf, heads, type PlanCurve, type PlanFigures } from './plan-figures.ts'

const { values } = parseArgs({
  options: { quick: { type: 'boolean' }, only: { type: 'string' }, alone: { type: 'string' } },
})

type Make = () => ClusterModel

const published: ClusterShape = {
  seed: 7,
  brokers: 40,
  racks: 10,
  topics: 3000,
  partitions: 16_667,
  popularity: 'exponential',
}
const small: ClusterShape = { seed: 3, brokers: 3, partitions: 60, topics: 10, popularity: 'exponential' }
const middle: ClusterShape = { seed: 5, brokers: 12, partitions: 1200, popularity: 'exponential' }
const large: ClusterShape = { seed: 9, brokers: 100, partitions: 10_000, popularity: 'exponential' }
const greatest: ClusterShape = { seed: 11, brokers: 1000, partitions: 100_000, popularity: 'exponential' }
/** Where half of the baseline's imbalance is promised. */
const troubles = { skewed, 'hot-topic': hotTopic, 'new-broker': newBroker, 'mixed-capacity': mixedCapacity }
const others = { 'lost-broker': lostBroker, 'slow-broker': slowBroker }

const clusters = (): Map<string, Make> => {
  const made = new Map<string, Make>()
  for (const placement of ['uniform', 'linear', 'exponential'] as const)
    made.set(`published ${placement} 40`, () => randomCluster({ ...published, placement }))
  const shapes = values.quick === true ? [middle] : [small, middle, large, greatest]
  for (const shape of shapes)
    for (const [name, make] of Object.entries({ ...troubles, ...others }))
      made.set(`${name} ${shape.brokers}`, () => make({ ...shape, factor: shape === small ? 2 : 3 }))
  if (values.quick !== true) {
    made.set('shared skewed 12', () => skewed({ ...middle, factor: 1, storage: 'shared' }))
    made.set('shared hot-topic 100', () => hotTopic({ ...large, factor: 1, storage: 'shared' }))
  }
  return made
}

interface Point {
  readonly bytes: number
  readonly imbalance: number
}

/** The imbalance after each step, reckoned anew from loads and independently of the planner's own. */
const curveOf = (model: ClusterModel, steps: readonly Step[]): Point[] => {
  const eligible = model.brokers.filter(({ isAlive, isExcluded, isDraining }) => isAlive && !isExcluded && !isDraining)
  const at = new Map(model.brokers.map(({ id }, number) => [id, number]))
  const loads = resources.map(() => new Float64Array(model.brokers.length))
  const parts = new Map(
    model.partitions.map((one) => [
      `${one.topic}-${one.partition}`,
      { one, replicas: one.replicas, leader: one.leader },
    ]),
  )
  const carry = (
    part: { one: ClusterModel['partitions'][number]; replicas: readonly number[]; leader: number },
    sign: number,
  ): void => {
    const { bytesIn, bytesOut, size } = part.one
    for (const id of part.replicas) {
      loads[0]![at.get(id)!]! += sign * bytesIn
      loads[2]![at.get(id)!]! += sign * (model.storage === 'shared' ? 0 : size)
    }
    if (part.leader >= 0) loads[1]![at.get(part.leader)!]! += sign * (bytesOut + (part.replicas.length - 1) * bytesIn)
  }
  for (const part of parts.values()) carry(part, 1)
  const shares = resources.map((resource) => {
    const whole = eligible.reduce((sum, { capacity }) => sum + (capacity[resource] ?? 1), 0)
    return eligible.map(({ capacity }) => (capacity[resource] ?? 1) / whole)
  })
  const numbers = eligible.map(({ id }) => at.get(id)!)
  const imbalance = (): number =>
    resources.reduce((sum, _, resource) => {
      let [whole, squares] = [0, 0]
      numbers.forEach((number, index) => {
        const load = loads[resource]![number]!
        whole += load
        squares += load ** 2 / shares[resource]![index]!
      })
      return whole > 0 ? sum + Math.max(0, squares / whole ** 2 - 1) : sum
    }, 0)
  const points = [{ bytes: 0, imbalance: imbalance() }]
  let bytes = 0
  for (const step of steps) {
    const part = parts.get(`${step.topic}-${step.partition}`)!
    carry(part, -1)
    part.replicas = step.replicas
    part.leader = step.replicas[0]!
    carry(part, 1)
    bytes += step.bytes
    points.push({ bytes, imbalance: imbalance() })
  }
  return points
}

/** What is left once no more than these bytes are moved. */
const leftAt = (curve: readonly Point[], bytes: number): number =>
  curve.findLast((point) => point.bytes <= bytes)!.imbalance

const report = (name: string, make: Make): PlanCurve => {
  const model = make()
  const began = performance.now()
  const plan = planMoves(model, settings)
  const ms = performance.now() - began
  const ours = curveOf(model, plan.steps)
  const pass = greedyPass(model, settings)
  const theirs = curveOf(model, pass.steps)
  const [ourEnd, theirEnd] = [ours.at(-1)!, theirs.at(-1)!]
  const equal = Math.min(ourEnd.bytes, theirEnd.bytes)
  const [ourLeft, theirLeft] = [leftAt(ours, equal), leftAt(theirs, equal)]
  const isWorse = ourEnd.imbalance > theirEnd.imbalance && ourEnd.bytes > theirEnd.bytes
  const isPromised = Object.keys(troubles).some((trouble) => name.startsWith(trouble))
  const isKept = !isWorse && (!isPromised || ourLeft <= theirLeft / 2)
  const curve: PlanCurve = {
    name,
    before: ours[0]!.imbalance,
    left: [ourEnd.imbalance, theirEnd.imbalance],
    bytes: [ourEnd.bytes, theirEnd.bytes],
    steps: [plan.steps.length, pass.steps.length],
    quarters: [0.25, 0.5, 0.75, 1].map((share) => [
      leftAt(ours, share * theirEnd.bytes),
      leftAt(theirs, share * theirEnd.bytes),
    ]),
    atEqualBytes: [ourLeft, theirLeft],
    ms,
    isKept,
  }
  process.stdout.write(`| ${cellsOf(curve).join(' | ')} |\n`)
  return curve
}

/** One plan for the greatest cluster in a process of its own. */
const planAlone = async (): Promise<PlanFigures['alone']> => {
  const child = fork(import.meta.filename, ['--alone', 'skewed'])
  const [[said]] = await Promise.all([
    once(child, 'message', { signal: AbortSignal.timeout(120_000) }),
    once(child, 'exit'),
  ])
  const { ms, bytes, steps } = said as { ms: number; bytes: number; steps: number }
  process.stdout.write(
    `\n100,000 partitions of 3 replicas on 1,000 brokers, alone: ${steps} steps in ${(ms / 1000).toFixed(2)} s, at most ${(bytes / 2 ** 20).toFixed(0)} MiB resident\n`,
  )
  return { ms, bytes, steps }
}

if (values.alone !== undefined) {
  const model = skewed(greatest)
  const began = performance.now()
  const { steps } = planMoves(model, settings)
  const ms = performance.now() - began
  process.send?.({ ms, bytes: process.resourceUsage().maxRSS * 1024, steps: steps.length })
} else {
  process.stdout.write(
    `Each pair is ours : the greedy pass.\n\n| ${heads.join(' | ')} |\n|${heads.map(() => '---|').join('')}\n`,
  )
  const began = new Date()
  const load = loadavg()[0]!
  const curves = [...clusters()]
    .filter(([name]) => values.only === undefined || name.includes(values.only))
    .map(([name, make]) => report(name, make))
  let isKept = curves.every((curve) => curve.isKept)
  if (values.quick !== true && values.only === undefined) {
    const alone = await planAlone()
    isKept &&= alone.ms <= 5000 && alone.bytes <= 1e9
    const minutes = (Date.now() - began.getTime()) / 60_000
    const figures: PlanFigures = {
      at: began.toISOString(),
      commit: checkedOutCommit() ?? null,
      minutes,
      load,
      curves,
      alone,
    }
    const file = join(import.meta.dirname, '..', '..', 'benchmarks', 'plans.json')
    await writeFile(file, `${JSON.stringify(figures, null, 2)}\n`)
  }
  process.exitCode = isKept ? 0 : 1
}
