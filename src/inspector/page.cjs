/** The page: its files by their paths. In a checkout they are those of the build, which puts a file with the texts themselves into the place of this one. */

const { existsSync } = require('node:fs')
const { join } = require('node:path')

/** @returns {Readonly<Record<string, string>>} */
exports.page = () => {
  const built = join(__dirname, '../../dist/src/inspector/page.cjs')
  if (!existsSync(built)) throw new Error('The page of the inspector is not built: run `npm run build`.')
  return require(built).page()
}
