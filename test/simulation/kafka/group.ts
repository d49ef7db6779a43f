// A consumer group as its coordinator keeps it, after Kafka's own: members with sessions, generations, and rebalances that wait for all of them.

import type { BrokerClock, Planned } from './ground.ts'

export const errors = {
  none: 0,
  leaderNotAvailable: 5,
  loading: 14,
  notAvailable: 15,
  notCoordinator: 16,
  illegalGeneration: 22,
  unknownMember: 25,
  rebalanceInProgress: 27,
  memberIdRequired: 79,
  fencedInstance: 82,
} as const

export interface JoinAnswer {
  readonly error: number
  readonly generation: number
  readonly protocol: string
  readonly leader: string
  readonly memberId: string
  readonly members: readonly { id: string; instanceId: string | null; metadata: Buffer }[]
}

export interface JoinRequest {
  readonly memberId: string
  /** Of a static member (KIP-345). */
  readonly instanceId?: string | null
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocols: readonly { name: string; metadata: Buffer }[]
}

interface Member {
  readonly id: string
  request: JoinRequest
  /** Waits for the rebalance to end. */
  joining: ((answer: JoinAnswer) => unknown) | undefined
  syncing: ((error: number, assignment: Buffer) => unknown) | undefined
  assignment: Buffer
  session: Planned | undefined
  heardAt: number
}

interface Stable {
  readonly generation: number
  readonly leader: string
  readonly members: readonly { id: string; request: JoinRequest; assignment: Buffer }[]
}

const nothing = Buffer.alloc(0)

export class Group {
  generation = 0
  /** Committed offsets by the partitions' numbers, and the text beside each. */
  readonly offsets = new Map<number, number>()
  readonly metadata = new Map<number, string>()
  /** How long the first rebalance of an empty group waits for more members. */
  initialDelayMs = 0
  /** Called when a member's session ends without a word. */
  onExpired: (memberId: string, silentMs: number) => void = () => {}
  onRebalance: () => void = () => {}
  /** Called when a static member has come back into a group that goes on. */
  onTakenOver: (instanceId: string) => void = () => {}
  private state: 'empty' | 'preparing' | 'completing' | 'stable' = 'empty'
  private leader = ''
  private readonly members = new Map<string, Member>()
  private readonly pending = new Map<string, Planned>()
  private rebalance: Planned | undefined
  private delay: Planned | undefined
  private count = 0
  private saved: Stable | undefined
  private readonly clock: BrokerClock

  constructor(clock: BrokerClock) {
    this.clock = clock
  }

  get memberIds(): string[] {
    return [...this.members.keys()]
  }

  /** What each member was given; nothing while they join. */
  assignments(): { memberId: string; assignment: Buffer }[] {
    if (this.state !== 'stable') return []
    return [...this.members.values()].map(({ id, assignment }) => ({ memberId: id, assignment }))
  }

  /** What some member said of itself when it joined; undefined in an empty group. */
  get anyMetadata(): JoinRequest['protocols'] | undefined {
    const [first] = this.members.values()
    return first?.request.protocols
  }

  join(request: JoinRequest, answer: (answer: JoinAnswer) => unknown): unknown {
    const { memberId, instanceId } = request
    const refuse = (error: number, id = memberId) =>
      answer({ error, generation: -1, protocol: '', leader: '', memberId: id, members: [] })
    if (memberId === '' && instanceId) return this.joinStatic(request, instanceId, answer)
    const fenced = this.objectionTo(memberId, instanceId)
    if (fenced !== errors.none && fenced !== errors.unknownMember) return refuse(fenced)
    if (memberId === '') {
      const id = `member-${++this.count}`
      this.pending.set(
        id,
        this.clock.plan(request.sessionTimeoutMs, () => {
          this.pending.delete(id)
          this.look()
        }),
      )
      return refuse(errors.memberIdRequired, id)
    }
    const known = this.members.get(memberId)
    const waits = this.pending.get(memberId)
    if (!known && !waits) return refuse(errors.unknownMember)
    if (waits) this.clock.cancel(waits)
    this.pending.delete(memberId)
    if (known && this.isSettledFor(known, request)) {
      this.hear(known)
      return answer(this.joinAnswer(known))
    }
    const member: Member = known ?? {
      id: memberId,
      request,
      joining: undefined,
      syncing: undefined,
      assignment: nothing,
      session: undefined,
      heardAt: this.clock.now,
    }
    member.request = request
    member.joining?.({ error: errors.unknownMember, generation: -1, protocol: '', leader: '', memberId, members: [] })
    member.joining = answer
    if (member.session) this.clock.cancel(member.session)
    member.session = undefined
    this.members.set(memberId, member)
    this.prepare()
  }

  /** A static member that has no id as yet: it is new, or takes the place of the one before, who is told so. */
  private joinStatic(request: JoinRequest, instanceId: string, answer: (answer: JoinAnswer) => unknown): unknown {
    const id = `${instanceId}-${++this.count}`
    const former = this.instance(instanceId)
    if (!former) {
      this.members.set(id, this.newMember(id, request, answer))
      return this.prepare()
    }
    if (former.session) this.clock.cancel(former.session)
    const { fencedInstance } = errors
    const none = { error: fencedInstance, generation: -1, protocol: '', leader: '', members: [] }
    former.joining?.({ ...none, memberId: former.id })
    former.syncing?.(fencedInstance, nothing)
    const leader = this.leader
    if (leader === former.id) this.leader = id
    const member = this.newMember(id, request, undefined)
    member.assignment = former.assignment
    // In the place of the one before.
    const all = [...this.members.values()].map((each) => (each === former ? member : each))
    this.members.clear()
    for (const each of all) this.members.set(each.id, each)
    if (this.state !== 'stable') {
      member.joining = answer
      return this.state === 'preparing' ? this.look() : this.prepare()
    }
    this.save()
    this.hear(member)
    this.onTakenOver(instanceId)
    // The leader is called as before, so that nobody takes itself for the leader of a group that goes on.
    return answer({ ...this.joinAnswer(member), leader, members: [] })
  }

  private newMember(id: string, request: JoinRequest, joining: Member['joining']): Member {
    const nothingYet = { syncing: undefined, assignment: nothing, session: undefined, heardAt: this.clock.now }
    return { id, request: { ...request, memberId: id }, joining, ...nothingYet }
  }

  private instance(instanceId: string): Member | undefined {
    return [...this.members.values()].find(({ request }) => request.instanceId === instanceId)
  }

  /** Whether this is the member it says, as an error code. */
  private objectionTo(memberId: string, instanceId: string | null | undefined): number {
    if (!instanceId) return this.members.has(memberId) ? errors.none : errors.unknownMember
    const known = this.instance(instanceId)
    if (!known) return errors.unknownMember
    return known.id === memberId ? errors.none : errors.fencedInstance
  }

  sync(
    memberId: string,
    generation: number,
    assignments: readonly { id: string; assignment: Buffer }[],
    answer: (error: number, assignment: Buffer) => unknown,
    instanceId?: string | null,
  ): unknown {
    const member = this.members.get(memberId)
    const objection = this.objectionTo(memberId, instanceId)
    if (objection !== errors.none) return answer(objection, nothing)
    if (!member) return answer(errors.unknownMember, nothing)
    if (generation !== this.generation) return answer(errors.illegalGeneration, nothing)
    this.hear(member)
    if (this.state === 'preparing' || this.state === 'empty') return answer(errors.rebalanceInProgress, nothing)
    if (this.state === 'stable') return answer(errors.none, member.assignment)
    member.syncing = answer
    if (memberId !== this.leader) return
    for (const { id, assignment } of assignments) {
      const target = this.members.get(id)
      if (target) target.assignment = assignment
    }
    this.state = 'stable'
    this.save()
    for (const each of this.members.values()) {
      each.syncing?.(errors.none, each.assignment)
      each.syncing = undefined
      this.hear(each)
    }
  }

  heartbeat(memberId: string, generation: number, instanceId?: string | null): number {
    const member = this.members.get(memberId)
    const objection = this.objectionTo(memberId, instanceId)
    if (!member || objection !== errors.none) return objection
    if (generation !== this.generation) return errors.illegalGeneration
    this.hear(member)
    return this.state === 'preparing' ? errors.rebalanceInProgress : errors.none
  }

  leave(memberId: string): number {
    const waits = this.pending.get(memberId)
    if (waits) {
      this.clock.cancel(waits)
      this.pending.delete(memberId)
      this.look()
      return errors.none
    }
    if (!this.members.has(memberId)) return errors.unknownMember
    this.remove(memberId)
    return errors.none
  }

  /** Whether a commit of this member is taken, as an error code. */
  mayCommit(memberId: string, generation: number, instanceId?: string | null): number {
    const member = this.members.get(memberId)
    const objection = this.objectionTo(memberId, instanceId)
    if (!member || objection !== errors.none) return objection
    if (generation !== this.generation) return errors.illegalGeneration
    if (this.state === 'completing') return errors.rebalanceInProgress
    this.hear(member)
    return errors.none
  }

  /** A member is thrown out, as an operator does it, or a broker that lost patience. */
  remove(memberId: string): void {
    const member = this.members.get(memberId)
    if (!member) return
    if (member.session) this.clock.cancel(member.session)
    this.members.delete(memberId)
    const gone = { error: errors.unknownMember, generation: -1, protocol: '', leader: '', memberId, members: [] }
    member.joining?.(gone)
    member.syncing?.(errors.unknownMember, nothing)
    if (this.state === 'preparing') this.look()
    else this.prepare()
  }

  /** All have to join anew. */
  shake(): void {
    if (this.members.size > 0) this.prepare()
  }

  /** Another broker takes over: it knows what was saved, and nobody who waits. */
  handOver(): void {
    const waiting = [...this.members.values()]
    this.members.clear()
    for (const timer of this.pending.values()) this.clock.cancel(timer)
    this.pending.clear()
    if (this.rebalance) this.clock.cancel(this.rebalance)
    if (this.delay) this.clock.cancel(this.delay)
    this.delay = undefined
    for (const { id, joining, syncing, session } of waiting) {
      if (session) this.clock.cancel(session)
      const code = errors.notCoordinator
      joining?.({ error: code, generation: -1, protocol: '', leader: '', memberId: id, members: [] })
      syncing?.(code, nothing)
    }
    const { saved } = this
    this.state = saved && saved.members.length > 0 ? 'stable' : 'empty'
    this.generation = Math.max(this.generation, saved?.generation ?? 0)
    if (!saved) return
    this.generation = saved.generation
    this.leader = saved.leader
    for (const { id, request, assignment } of saved.members) {
      const member: Member = {
        ...{ id, request, assignment, joining: undefined, syncing: undefined, session: undefined },
        heardAt: this.clock.now,
      }
      this.members.set(id, member)
      this.hear(member)
    }
  }

  private isSettledFor(member: Member, request: JoinRequest): boolean {
    const isSame = member.request.protocols.every(({ metadata }, index) =>
      request.protocols[index]?.metadata.equals(metadata),
    )
    if (this.state === 'completing') return isSame && member.joining === undefined
    return this.state === 'stable' && isSame && member.id !== this.leader
  }

  private joinAnswer(member: Member): JoinAnswer {
    const isLeader = member.id === this.leader
    const members = isLeader
      ? [...this.members.values()].map(({ id, request }) => ({
          id,
          instanceId: request.instanceId ?? null,
          metadata: request.protocols[0]?.metadata ?? nothing,
        }))
      : []
    const protocol = member.request.protocols[0]?.name ?? ''
    const { generation, leader } = this
    return { error: errors.none, generation, protocol, leader, memberId: member.id, members }
  }

  private prepare(): void {
    if (this.state !== 'preparing') {
      this.onRebalance()
      if (this.state === 'empty' && this.initialDelayMs > 0) {
        this.delay = this.clock.plan(this.initialDelayMs, () => {
          this.delay = undefined
          this.look()
        })
      }
      for (const member of this.members.values()) {
        member.syncing?.(errors.rebalanceInProgress, nothing)
        member.syncing = undefined
      }
      this.state = 'preparing'
      if (this.rebalance) this.clock.cancel(this.rebalance)
      const waitMs = Math.max(0, ...[...this.members.values()].map(({ request }) => request.rebalanceTimeoutMs))
      this.rebalance = this.clock.plan(waitMs, () => {
        for (const member of this.members.values()) {
          if (member.joining) continue
          if (member.session) this.clock.cancel(member.session)
          this.members.delete(member.id)
        }
        this.complete()
      })
    }
    this.look()
  }

  private look(): void {
    if (this.state !== 'preparing' || this.pending.size > 0 || this.delay) return
    if ([...this.members.values()].every(({ joining }) => joining)) this.complete()
  }

  private complete(): void {
    if (this.rebalance) this.clock.cancel(this.rebalance)
    if (this.delay) this.clock.cancel(this.delay)
    this.delay = undefined
    this.generation++
    const [first] = this.members.values()
    if (!first) {
      this.state = 'empty'
      this.save()
      return
    }
    if (!this.members.has(this.leader)) this.leader = first.id
    this.state = 'completing'
    for (const member of this.members.values()) {
      const { joining } = member
      member.joining = undefined
      member.assignment = nothing
      this.hear(member)
      joining?.(this.joinAnswer(member))
    }
  }

  private hear(member: Member): void {
    member.heardAt = this.clock.now
    if (member.session) this.clock.cancel(member.session)
    if (member.joining) return
    member.session = this.clock.plan(member.request.sessionTimeoutMs, () => {
      this.onExpired(member.id, this.clock.now - member.heardAt)
      this.remove(member.id)
    })
  }

  private save(): void {
    const members = [...this.members.values()].map(({ id, request, assignment }) => ({ id, request, assignment }))
    this.saved = { generation: this.generation, leader: this.leader, members }
  }
}
