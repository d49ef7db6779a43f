// For `import`: what `require` gives, so that both see the same classes and registries. By name, as not every tool finds them by itself.
export {
  consoleLogger,
  createConsumer,
  deadLetter,
  dnsSource,
  fileJournal,
  fileSource,
  follow,
  healthHandler,
  healthServer,
  memoryJournal,
  RelistenError,
  remedyFor,
  serveInspector,
} from '../dist/src/index.js'
