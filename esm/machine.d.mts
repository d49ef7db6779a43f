export * from '../dist/src/machine.js'
