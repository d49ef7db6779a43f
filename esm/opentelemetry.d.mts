export * from '../dist/src/opentelemetry.js'
