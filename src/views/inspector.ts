/** The inspector: hands XState's inspection events to the user's observer, without secrets, and survives whatever it does. */

import type { ActorRefLike, InspectionEvent } from 'xstate'
import type { Inspect } from './inspection.ts'
import { redacted } from './redaction.ts'

/** Whether an observer watches the consumer itself: then it gets no events, and nothing is copied for it. */
export const isWatching = (inspect: Inspect): boolean => typeof inspect === 'object' && inspect.watch !== undefined

/**
 * Wraps an observer for `createActor`. It gets copies: actors as far as an inspector reads them (id, session id, parent, definition,
 * snapshot), and everything redacted. What it throws is dropped, as it would otherwise veto the event or block the mailbox.
 */
export function safeInspector(inspect: Inspect): (event: InspectionEvent) => void {
  const shown = new WeakMap<object, ActorRefLike>()
  const show = (actor: LiveActor): ActorRefLike => {
    const known = shown.get(actor)
    if (known) return known
    const copy = shownActor(actor, show)
    shown.set(actor, copy)
    return copy
  }
  return (event) => {
    try {
      const copy = shownEvent(event, show)
      if (typeof inspect === 'function') inspect(copy)
      else inspect.next?.(copy)
    } catch {
      // A view that breaks must not break what it looks at.
    }
  }
}

type LiveActor = ActorRefLike & {
  readonly id?: string
  readonly _parent?: LiveActor
  readonly logic?: { readonly config?: unknown }
}
type Show = (actor: LiveActor) => ActorRefLike

function shownEvent(event: InspectionEvent, show: Show): InspectionEvent {
  const shown: Record<string, unknown> = { type: event.type, rootId: event.rootId, actorRef: show(event.actorRef) }
  if ('event' in event) shown.event = redacted(event.event)
  if ('snapshot' in event) shown.snapshot = shownSnapshot(event.snapshot)
  if ('action' in event) shown.action = redacted(event.action)
  if ('sourceRef' in event) shown.sourceRef = event.sourceRef && show(event.sourceRef)
  // Transitions point into the live machine; inspectors get by with their number.
  if ('_transitions' in event) shown._transitions = event._transitions.map(({ eventType }) => ({ eventType }))
  return shown as unknown as InspectionEvent
}

function shownActor(actor: LiveActor, show: Show): ActorRefLike {
  const { id, sessionId, _parent, logic } = actor
  const shown = {
    ...{ id, sessionId, _parent: _parent && show(_parent), logic: { config: redacted(logic?.config) } },
    getSnapshot: () => shownSnapshot(actor.getSnapshot()),
    // An inspector looks and does not touch.
    send: () => {},
    toJSON: () => ({ id, sessionId }),
  }
  return shown as unknown as ActorRefLike
}

function shownSnapshot(snapshot: unknown): unknown {
  if (typeof snapshot !== 'object' || snapshot === null) return redacted(snapshot)
  const { status, output, error, value, context, tags, children } = snapshot as Record<string, unknown>
  const ids = Object.entries((children ?? {}) as Record<string, LiveActor | undefined>)
  return {
    ...(redacted({ status, output, error, value, context, tags }) as object),
    children: Object.fromEntries(ids.map(([id, child]) => [id, { id, sessionId: child?.sessionId }])),
  }
}
