/** LOGIN: a listener for users of a test's own, with PLAIN and SCRAM, beside the one that moves. */

export interface User {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
  readonly name: string
  readonly password: string
}

const modules = 'org.apache.kafka.common.security'
const scram = `${modules}.scram.ScramLoginModule required;`

/** For the tool that formats the storage: creates the credentials of SCRAM. */
export const formatArguments = (users: readonly User[]): string[] =>
  users
    .filter(({ mechanism }) => mechanism !== 'PLAIN')
    .flatMap(({ mechanism, name, password }) => ['--add-scram', `${mechanism}=[name=${name},password=${password}]`])

/** Of a broker; those of PLAIN are in its properties. */
export function loginProperties(users: readonly User[]): Record<string, string> {
  const plain = users.filter(({ mechanism }) => mechanism === 'PLAIN')
  const entries = plain.map(({ name, password }) => ` user_${name}="${password}"`).join('')
  return {
    'listener.name.login.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.login.plain.sasl.jaas.config': `${modules}.plain.PlainLoginModule required${entries};`,
    'listener.name.login.scram-sha-256.sasl.jaas.config': scram,
    'listener.name.login.scram-sha-512.sasl.jaas.config': scram,
  }
}
