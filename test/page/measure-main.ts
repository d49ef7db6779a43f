// Three browsers as far as a server sees them: they read the stream of an inspector, as fast as it comes.
import { get } from 'node:http'
import { obey } from '../process/parent.ts'

const [url = ''] = process.argv.slice(2)
const { origin, hash } = new URL(url)
const headers = { authorization: `Bearer ${hash.replace('#token=', '')}` }
for (let viewers = 0; viewers < 3; viewers++) get(`${origin}/events`, { headers }, (response) => response.resume())
obey(() => {})
