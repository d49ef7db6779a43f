// What is printed where: colours for terminals only, no line that commands one, no secrets in what is reported.
import { expect, test } from 'vitest'
import { keepSecret } from '../../../actors/security/secrets.ts'
import { outputTo } from '../../../src/command-line/output.ts'

function printed(work: (output: ReturnType<typeof outputTo>) => void, hasColours = false): string[] {
  const lines: string[] = []
  const terminal = {
    out: (line: string) => void lines.push(line),
    error: (line: string) => void lines.push(line),
    draw: (text: string) => void lines.push(text),
  }
  work(outputTo({ ...terminal, hasColours }))
  return lines
}

test('colours are for terminals that have them', () => {
  expect(printed((output) => output.out('bad', 'bad'), true)).toEqual(['\u001b[31mbad\u001b[39m'])
  expect(printed((output) => output.out('bad', 'bad'), false)).toEqual(['bad'])
})

test('what peers wrote commands no terminal, with colours or without', () => {
  for (const hasColours of [true, false])
    expect(printed((output) => output.out('\u001b[2J', 'good'), hasColours).join()).toContain('\\u001b[2J')
  expect(printed((output) => output.progress('a\u001b[2J'))).toEqual(['a\\u001b[2J'])
})

test('JSON is JSON, without secrets and however long', () => {
  keepSecret('much too long to guess')
  const value = { what: 'password=hidden and much too long to guess', rest: 'x'.repeat(10_000) }
  const [line = ''] = printed((output) => output.json(value, 'line'))
  expect(JSON.parse(line)).toEqual({ what: 'password=[redacted] and [redacted]', rest: value.rest })
  expect(JSON.parse(printed((output) => output.json(value, 'lines')).join('\n'))).toEqual(JSON.parse(line))
})

test('progress is wiped away before the next line, all of it', () => {
  const lines = printed((output) => {
    output.progress('one', 'two')
    output.out('done')
    output.out('more')
  })
  expect(lines).toEqual(['one\ntwo', '\r\u001b[1A\u001b[J', 'done', 'more'])
})
