/** The door to pino, which is loaded when its first line is written: most processes never need it. A bundler still finds it. */

exports.pino = () => require('pino')
