export * from '../dist/src/balancer.js'
