/** The bundle: the page as a file of texts in the package, so that bundlers of users find it too. */

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { balancingMachine } from '../../machines/balancer/balancing.ts'
import { followingMachine } from '../../machines/following.ts'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import { membershipMachine } from '../../machines/membership.ts'
import { layout } from './layout.ts'

const root = join(import.meta.dirname, '../..')
const target = join(root, 'dist/src/inspector')

/** Lays out the machines, bundles what runs in the browser, and writes all of it. Returns the texts by their paths. */
export async function bundlePage(): Promise<Readonly<Record<string, string>>> {
  const charts = {
    lifecycle: { wide: await layout(lifecycleMachine, 'RIGHT'), narrow: await layout(lifecycleMachine, 'DOWN') },
    membership: { wide: await layout(membershipMachine, 'RIGHT'), narrow: await layout(membershipMachine, 'DOWN') },
    balancing: { wide: await layout(balancingMachine, 'RIGHT'), narrow: await layout(balancingMachine, 'DOWN') },
    following: { wide: await layout(followingMachine, 'RIGHT'), narrow: await layout(followingMachine, 'DOWN') },
  }
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: { page: 'page/main.tsx' },
    outdir: '/',
    ...{ bundle: true, minify: true, write: false, format: 'esm', target: 'es2022' },
    ...{ jsx: 'automatic', jsxImportSource: 'preact' },
    // Named by modules of which only what needs none of them is used.
    external: ['node:*', 'kafkajs', 'pino'],
    metafile: true,
    define: { CHARTS: JSON.stringify(charts) },
  })
  const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
  if (imported.length > 0) throw new Error(`The page would import what no browser has: ${imported.join(', ')}`)
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
  await mkdir(target, { recursive: true })
  await rm(join(target, 'page.cjs.map'), { force: true })
  // Loaded when a page is served: most processes never need it. A bundler still finds it.
  await writeFile(join(target, 'page.cjs'), "exports.page = () => require('./page-files.cjs')\n")
  await writeFile(join(target, 'page-files.cjs'), `module.exports = ${JSON.stringify(files, null, 1)}\n`)
  return files
}
