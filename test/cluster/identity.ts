/** Stub, replaced below: identities of a cluster with TLS and SCRAM. */
export interface Login {
  readonly mechanism: 'scram-sha-512'
  readonly username: string
  readonly password: string
}
export interface Identity {
  readonly ca: string
  readonly formatArguments: readonly string[]
  login(): Login
  brokerProperties(nodeId: number): Record<string, string>
  issue(nodeId: number, addresses: readonly string[]): Promise<void>
}
export async function createIdentity(_folder: string, _nodeIds: readonly number[]): Promise<Identity> {
  throw new Error('The test cluster cannot do TLS yet')
}
