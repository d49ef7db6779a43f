// Builds the page of the inspector: `npm run build` runs it after the compiler.
import { bundlePage } from './bundle.ts'

const sizes = Object.entries(await bundlePage()).map(([path, text]) => `${path} ${Math.ceil(text.length / 1024)} kB`)
console.log(`The page: ${sizes.join(', ')}`)
