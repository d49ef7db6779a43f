/** The files of the benchmark in a folder: results.json, the plots, and BENCHMARKS.md beside them. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PlanFigures } from '../balancer/plan-figures.ts'
import type { Figures } from '../torture/result.ts'
import { renderDocument } from './document.ts'
import { plotMove } from './move-plot.ts'
import { plotGaps } from './plot.ts'
import type { Results } from './results.ts'

const inFolder = (folder: string, name: string) => join(folder, 'benchmarks', name)

/** Undefined when there are none. */
export const readResults = (folder: string): Promise<Results | undefined> => readJson(inFolder(folder, 'results.json'))

/** What the endurance run has told, when it has. */
export const readTorture = (folder: string): Promise<Figures | undefined> => readJson(inFolder(folder, 'torture.json'))

/** What the benchmark of plans has measured, when it has. */
export const readPlans = (folder: string): Promise<PlanFigures | undefined> => readJson(inFolder(folder, 'plans.json'))

/** The picture of the README is beside the reference, as both are in the package. */
export const movePicture = (folder: string): string => join(folder, 'docs', 'move.svg')

/** Writes the results, and what is rendered from them. */
export async function publish(folder: string, results: Results): Promise<void> {
  await mkdir(inFolder(folder, ''), { recursive: true })
  await writeFile(inFolder(folder, 'results.json'), `${JSON.stringify(results, null, 2)}\n`)
  await writeFile(inFolder(folder, 'gaps.svg'), plotGaps(results.rows))
  if (results.picture) {
    await mkdir(join(folder, 'docs'), { recursive: true })
    await writeFile(movePicture(folder), plotMove(results.picture))
  }
  const text = renderDocument(results, await readTorture(folder), await readPlans(folder))
  await writeFile(join(folder, 'BENCHMARKS.md'), text)
}

async function readJson<Content>(file: string): Promise<Content | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : JSON.parse(text)
}
