// Builds the page: lays out the machines, bundles what runs in the browser, and puts all of it as texts into one file of the package, so that bundlers of
// users find it too. `npm run build` runs it after the compiler.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import { membershipMachine } from '../../machines/membership.ts'
import { layout } from './layout.ts'

const root = join(import.meta.dirname, '../..')
const target = join(root, 'dist/src/inspector/page.cjs')

const charts = {
  lifecycle: { wide: await layout(lifecycleMachine, 'RIGHT'), narrow: await layout(lifecycleMachine, 'DOWN') },
  membership: { wide: await layout(membershipMachine, 'RIGHT'), narrow: await layout(membershipMachine, 'DOWN') },
}
const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: { page: 'page/main.tsx' },
  outdir: '/',
  ...{ bundle: true, minify: true, write: false, format: 'esm', target: 'es2022' },
  ...{ jsx: 'automatic', jsxImportSource: 'preact' },
  // Named by modules of which only what needs none of them is used.
  external: ['node:*', 'kafkajs', 'pino'],
  define: { CHARTS: JSON.stringify(charts) },
})
const styles = await build({
  absWorkingDir: root,
  entryPoints: ['page/page.css'],
  outdir: '/',
  write: false,
  minify: true,
})
const texts = [...outputFiles, ...styles.outputFiles].map(({ path, text }) => [path, text] as const)
const read = async (name: string) => [`/${name}`, await readFile(join(root, 'page', name), 'utf8')] as const
const files = Object.fromEntries([await read('index.html'), await read('icon.svg'), ...texts])
await mkdir(dirname(target), { recursive: true })
await writeFile(target, `exports.page = () => (${JSON.stringify(files, null, 1)})\n`)
console.log(`The page: ${texts.map(([path, text]) => `${path} ${Math.round(text.length / 1024)} kB`).join(', ')}`)
