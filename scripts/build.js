// Builds the package. Not with tsdown's command line, which tells whoever starts the demo that Node 20 is old.
import { build } from 'tsdown'

await build({ logLevel: 'error' })
