// The structure of a machine: what can be wrong with it before anything is sent to it.
import type { AnyStateMachine } from 'xstate'

/** Names that nobody fills, ports that answer for no throw, states nobody reaches or that never end. `seen` counts what was looked at. */
export function flawsIn(machine: AnyStateMachine) {
  const { root, implementations } = machine
  const { actions, guards, actors } = implementations
  const states = Object.values(root.states)
  const flaws: string[] = []
  const seen = { states: states.length, transitions: 0, ports: 0 }
  const demand = (isRight: boolean, flaw: string) => {
    if (!isRight) flaws.push(flaw)
  }
  for (const node of [root, ...states]) {
    const transitions = [...node.transitions.values()].flat()
    seen.transitions += transitions.length
    for (const { guard } of transitions) {
      if (guard !== undefined) demand(nameOf(guard) in guards, `${node.key} names the guard ${nameOf(guard)}`)
    }
    for (const action of [...node.entry, ...node.exit, ...transitions.flatMap((each) => each.actions)]) {
      demand(nameOf(action) in actions, `${node.key} names the action ${nameOf(action)}`)
    }
    for (const { id, src } of node.invoke) {
      seen.ports += 1
      demand(String(src) in actors, `${node.key} names the port ${src}`)
      demand(!/^\d/.test(id), `the port ${src} of ${node.key} has no id of its own`)
      demand(node.ownEvents.includes(`xstate.error.actor.${id}` as never), `${node.key} does not answer for ${src}`)
    }
    demand(Object.keys(node.config.after ?? {}).length === 0, `${node.key} has a timer that no fact tells of`)
    demand(node.config.always === undefined, `${node.key} goes on without a fact`)
  }
  demand(root.ownEvents.length === 0, `the root listens to ${root.ownEvents.join(', ')}`)
  const targets = targetsIn(machine)
  const reached = reach(targets, root.initial.target?.[0]?.key ?? '')
  for (const { key, type } of states) {
    demand(reached.has(key), `nothing leads to ${key}`)
    const canEnd = [...reach(targets, key)].some((other) => states.find((node) => node.key === other)?.type === 'final')
    demand(canEnd, `${key} leads to no end`)
    if (type === 'final') demand(targets.get(key)?.size === 0, `${key} is an end and leads on`)
  }
  return { flaws, seen }
}

/** Where each state leads, and by which events. */
export function targetsIn(machine: AnyStateMachine): Map<string, Map<string, string[]>> {
  const found = new Map<string, Map<string, string[]>>()
  for (const [from, { transitions }] of Object.entries(machine.states)) {
    const arrows = new Map<string, string[]>()
    for (const [event, listed] of transitions) {
      for (const { key } of listed.flatMap(({ target }) => target ?? [])) {
        const events = arrows.get(key) ?? []
        if (!events.includes(event)) events.push(event)
        arrows.set(key, events)
      }
    }
    found.set(from, arrows)
  }
  return found
}

function reach(targets: ReturnType<typeof targetsIn>, from: string, known = new Set([from])): Set<string> {
  for (const key of targets.get(from)?.keys() ?? []) if (!known.has(key)) reach(targets, key, known.add(key))
  return known
}

const nameOf = (named: unknown): string =>
  typeof named === 'string' ? named : String((named as { type?: unknown }).type)
