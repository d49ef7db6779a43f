/** The inside of a process with a balancer, that tells each of its facts. */
import { type ClusterBalancerOptions, createBalancer } from '../../../src/balancer.ts'
import { fileJournal } from '../../../src/index.ts'
import { obey, tellParent } from '../../process/parent.ts'

/** Its options, JSON only. */
export type BalancerTask = Omit<ClusterBalancerOptions, 'journal'> & { readonly journal: string }

const { journal, ...options } = JSON.parse(process.argv[2] ?? '') as BalancerTask
const balancer = createBalancer({ ...options, journal: fileJournal(journal) })
balancer.on('*', ({ type }) => void tellParent({ kind: 'fact', type }))
balancer.start()
obey(() => {})
