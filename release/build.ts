/** Bundles the programs into `dist/src`, over the modules that TypeScript has compiled; a part of `npm run build`. */
import { bundlePrograms } from './bundle.ts'

await bundlePrograms('dist/src')
