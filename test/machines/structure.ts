// The structure of a machine: what can be wrong with it before anything is sent to it.
import type { AnyStateMachine, AnyStateNode, StateValue } from 'xstate'

/** The path of a state from the root, as a target names it. */
export const pathOf = (node: AnyStateNode): string => node.path.join('.')

/** The path of the state that a snapshot is in: `consuming`, `draining.in-place`. */
export const stateOf = ({ value }: { readonly value: StateValue }): string =>
  typeof value === 'string' ? value : Object.entries(value).flat().join('.')

/** Every state, each before the ones in it. */
export function nodesOf(machine: AnyStateMachine): AnyStateNode[] {
  const inside = (node: AnyStateNode): AnyStateNode[] =>
    Object.values(node.states).flatMap((each) => [each, ...inside(each)])
  return inside(machine.root)
}

/** The states that have none in them. */
export const leavesOf = (machine: AnyStateMachine): AnyStateNode[] =>
  nodesOf(machine).filter(({ type }) => type !== 'compound')

/**
 * Names that nobody fills, actors that answer for no throw, states nobody reaches or that never end. `seen` counts what was looked at.
 * `everywhere` are the events that are kept in every state: what else the root answers, it answers where nobody thought of it.
 */
export function flawsIn(machine: AnyStateMachine, everywhere: readonly string[] = []) {
  const { root, implementations } = machine
  const { actions, guards, actors } = implementations
  const states = nodesOf(machine)
  const flaws: string[] = []
  const seen = { states: states.length, transitions: 0, actors: 0 }
  const demand = (isRight: boolean, flaw: string) => {
    if (!isRight) flaws.push(flaw)
  }
  for (const node of [root, ...states]) {
    const name = pathOf(node)
    const transitions = [...node.transitions.values()].flat()
    seen.transitions += transitions.length
    for (const { guard, target = [], eventType } of transitions) {
      if (guard !== undefined) demand(nameOf(guard) in guards, `${name} names the guard ${nameOf(guard)}`)
      for (const each of target) {
        demand(each.type !== 'compound', `${eventType} in ${name} does not say where in ${pathOf(each)} it leads`)
      }
    }
    for (const action of [...node.entry, ...node.exit, ...transitions.flatMap((each) => each.actions)]) {
      demand(nameOf(action) in actions, `${name} names the action ${nameOf(action)}`)
    }
    for (const { id, src } of node.invoke) {
      seen.actors += 1
      demand(String(src) in actors, `${name} names the actor ${src}`)
      demand(!/^\d/.test(id), `the actor ${src} of ${name} has no id of its own`)
      demand(node.ownEvents.includes(`xstate.error.actor.${id}` as never), `${name} does not answer for ${src}`)
    }
    demand(Object.keys(node.config.after ?? {}).length === 0, `${name} has a timer that no fact tells of`)
    demand(node.config.always === undefined, `${name} goes on without a fact`)
    if (node !== root)
      demand(/^[A-Z].*\.$/.test(node.description ?? ''), `${name} does not say in a sentence what it means`)
  }
  // Beside these it only ends when an actor of its own breaks.
  const thrown = root.invoke.map(({ id }) => `xstate.error.actor.${id}`)
  for (const [event, listed] of root.transitions) {
    demand(thrown.includes(event) || everywhere.includes(event), `the root answers ${event}`)
    demand(
      thrown.includes(event) || listed.every(({ target }) => target === undefined),
      `the root leads somewhere by ${event}`,
    )
  }
  const leaves = leavesOf(machine)
  const targets = targetsIn(machine)
  const reached = reachedFrom(targets, root.config.initial as string)
  const ends = leaves.filter(({ type }) => type === 'final').map(pathOf)
  for (const leaf of leaves) {
    const name = pathOf(leaf)
    demand(reached.has(name), `nothing leads to ${name}`)
    const further = reachedFrom(targets, name)
    demand(
      ends.some((end) => further.has(end)),
      `${name} leads to no end`,
    )
    if (leaf.type === 'final') {
      demand(leaf.transitions.size === 0, `${name} is an end and leads on`)
      demand(leaf.output !== undefined, `${name} is an end and does not say how it ended`)
    }
  }
  return { flaws, seen }
}

/** Where each state leads by its own transitions, and by which events. */
export function targetsIn(machine: AnyStateMachine): Map<string, Map<string, string[]>> {
  return new Map(nodesOf(machine).map((node) => [pathOf(node), targetsOf(node)]))
}

function targetsOf(node: AnyStateNode): Map<string, string[]> {
  const arrows = new Map<string, string[]>()
  for (const [event, listed] of node.transitions) {
    for (const target of listed.flatMap((each) => each.target ?? [])) {
      const events = arrows.get(pathOf(target)) ?? []
      if (!events.includes(event)) events.push(event)
      arrows.set(pathOf(target), events)
    }
  }
  return arrows
}

/** The states that a state leads to, over others or not; what a state knows, those in it know as well. */
function reachedFrom(targets: ReturnType<typeof targetsIn>, from: string): Set<string> {
  const known = new Set([from])
  for (const name of known) {
    for (const own of [name, name.replace(/\..*/, '')]) for (const key of targets.get(own)?.keys() ?? []) known.add(key)
  }
  return known
}

/** The name of a guard or an action, however it is written. */
export const nameOf = (named: unknown): string =>
  typeof named === 'string' ? named : String((named as { type?: unknown } | undefined)?.type)
