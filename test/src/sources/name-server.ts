/** A name server on loopback, over UDP: what the DNS says of a name, as a test wants it. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv4 } from 'node:net'

/** What there is of a name. */
export interface NameRecords {
  readonly addresses?: readonly string[]
  readonly targets?: readonly { readonly name: string; readonly port: number }[]
}

export interface NameServer extends AsyncDisposable {
  /** `127.0.0.1:port`, for `setServers` of a resolver. */
  readonly address: string
  /** Names that were asked for so far. */
  readonly asked: readonly string[]
}

const types = { 1: 'A', 28: 'AAAA', 33: 'SRV' } as const
const noSuchName = 3

/** `find` is asked for each question; a name without records does not exist. */
export async function startNameServer(find: (name: string) => NameRecords | undefined): Promise<NameServer> {
  const socket = createSocket('udp4')
  const asked: string[] = []
  socket.on('message', (question, { port, address }) => {
    const { name, end } = nameIn(question, 12)
    asked.push(name)
    const type = types[question.readUInt16BE(end) as keyof typeof types]
    const records = find(name.toLowerCase())
    const answers = records === undefined ? [] : dataOf(records, type)
    const header = Buffer.alloc(12)
    question.copy(header, 0, 0, 2)
    header.writeUInt16BE(0x8580 | (records === undefined ? noSuchName : 0), 2)
    header.writeUInt16BE(1, 4)
    header.writeUInt16BE(answers.length, 6)
    const head = Buffer.from([0xc0, 12, ...question.subarray(end, end + 4), 0, 0, 0, 0])
    const written = answers.flatMap((data) => [head, uint16(data.length), data])
    socket.send(Buffer.concat([header, question.subarray(12, end + 4), ...written]), port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    async [Symbol.asyncDispose]() {
      socket.close()
      await once(socket, 'close')
    },
  }
}

function dataOf({ addresses = [], targets = [] }: NameRecords, type: 'A' | 'AAAA' | 'SRV' | undefined): Buffer[] {
  if (type === 'SRV')
    return targets.map(({ name, port }) => Buffer.concat([uint16(0), uint16(0), uint16(port), labels(name)]))
  if (type === 'A')
    return addresses.filter((each) => isIPv4(each)).map((each) => Buffer.from(each.split('.').map(Number)))
  return type === 'AAAA' ? addresses.filter((each) => !isIPv4(each)).map(ipv6) : []
}

function nameIn(packet: Buffer, start: number): { readonly name: string; readonly end: number } {
  const found: string[] = []
  let at = start
  for (let length = packet[at] ?? 0; length > 0; length = packet[at] ?? 0) {
    found.push(packet.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: found.join('.'), end: at + 1 }
}

const labels = (name: string): Buffer =>
  Buffer.concat([
    ...name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]),
    Buffer.alloc(1),
  ])

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function ipv6(address: string): Buffer {
  const [left = [], right = []] = address.split('::').map((half) => half.split(':').filter(Boolean))
  const middle = Array.from({ length: 8 - left.length - right.length }, () => '0')
  return Buffer.concat([...left, ...middle, ...right].map((group) => uint16(Number.parseInt(group, 16))))
}
