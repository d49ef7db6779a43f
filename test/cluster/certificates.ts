/** A certificate authority of our own and the key stores it issues, made with the openssl command. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { promisify } from 'node:util'

export interface Authority {
  /** Certificate of the authority, PEM. */
  readonly ca: string
  /**
   * Writes a key store (PKCS#8 key, certificate, authority; PEM in one file) that covers exactly these IP addresses, for so many days
   * (default 2; below 0: it has ended). Resolves with the certificate's serial number, in upper-case hexadecimal digits.
   */
  issue(file: string, name: string, addresses: readonly string[], days?: number): Promise<string>
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

export async function createAuthority(folder: string): Promise<Authority> {
  const key = join(folder, 'authority.key')
  const certificate = join(folder, 'authority.pem')
  await openssl([
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    key,
    '-out',
    certificate,
    '-days',
    '2',
    '-subj',
    '/CN=relisten-test',
  ])
  const ca = await readFile(certificate, 'utf8')

  return {
    ca,
    async issue(file, name, addresses, days = 2) {
      const [own, signing, extensions, signed] = ['key', 'csr', 'ext', 'pem'].map((kind) => `${file}.${kind}`) as [
        string,
        string,
        string,
        string,
      ]
      await writeFile(extensions, `subjectAltName=${addresses.map((address) => `IP:${address}`).join(',')}\n`)
      await openssl(['req', '-new', ...newKey, '-keyout', own, '-out', signing, '-subj', `/CN=${name}`])
      // a leading 7 keeps it positive and at full length
      const serial = `7${randomBytes(8).toString('hex').slice(1).toUpperCase()}`
      const issuer = ['-CA', certificate, '-CAkey', key, '-set_serial', `0x${serial}`, '-days', String(days)]
      await openssl(['x509', '-req', '-in', signing, ...issuer, '-extfile', extensions, '-out', signed])
      await writeFile(`${file}.new`, `${await readFile(own, 'utf8')}${await readFile(signed, 'utf8')}${ca}`)
      // a broker that reads its key store in this moment sees the old one or the new one, never half of it
      await rename(`${file}.new`, file)
      return serial
    },
  }
}

/** Serial number of the certificate a TLS server shows now; undefined when it shows none. */
export function servedSerial(host: string, port: number, ca: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, ca, timeout: 2000, checkServerIdentity: () => undefined }, () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.once('timeout', () => socket.destroy())
    socket.once('error', () => {})
    socket.once('close', () => resolve(undefined))
  })
}

async function openssl(args: readonly string[]): Promise<void> {
  await promisify(execFile)('openssl', args).catch((error: Error & { code?: string | number }) => {
    if (error.code !== 'ENOENT') throw error
    throw new Error(
      'The test cluster makes its certificates with `openssl`, which does not run: install OpenSSL 1.1 or newer.',
    )
  })
}
