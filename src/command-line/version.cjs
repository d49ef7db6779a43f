/** The version of this package. Of the sources it is in the manifest two folders up, and so it is of the build, which has one of its own. */

const { readFileSync } = require('node:fs')
const { join } = require('node:path')

exports.version = () => String(JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8')).version)
