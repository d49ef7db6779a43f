import { run } from './run.ts'

const from = Number(process.argv[2] ?? 1)
const count = Number(process.argv[3] ?? 1)
const tail = Number(process.argv[4] ?? 6000)
const counts = new Map<string, number>()
const bad = new Map<string, number[]>()
const started = performance.now()
let virtual = 0
let events = 0
for (let seed = from; seed < from + count; seed++) {
  const out = await run(seed, { isTold: count === 1 })
  if (count === 1) console.log(out.story.join('\n').slice(-tail), out.hash)
  virtual += out.virtualMs
  events += out.events
  for (const [k, v] of out.counts) counts.set(k, (counts.get(k) ?? 0) + v)
  if (out.violation) {
    const key = out.violation.invariant
    bad.set(key, [...(bad.get(key) ?? []), seed])
    if ((bad.get(key)?.length ?? 0) <= 3) console.log(seed, out.violation)
  }
}
console.log(
  Object.fromEntries(bad),
  process.cpuUsage().user / 1000 / count,
  'cpu ms/seed',
  virtual / count,
  events / count,
)
if (count > 1)
  console.log(
    [...counts]
      .sort()
      .map(([k, v]) => `${k}: ${v}`)
      .join(', '),
  )
