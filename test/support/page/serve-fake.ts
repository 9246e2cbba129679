import { Assets } from '../../../src/page/assets.js'
import { openPage, TOKEN } from './scene.js'

/**
 * `node dist/test/support/page/serve-fake.js [FOLDER]`: the page with made-up figures, to look at it without a relay.
 * FOLDER has the files of the page, if it is not where the build puts them. It ends with Ctrl-C.
 */

function loadAssets(): Assets | null {
  try {
    return Assets.load(process.argv[2])
  } catch (error) {
    process.stderr.write(`no files of the page: ${error}\n`)
    return null
  }
}

const scene = await openPage({ assets: loadAssets() })
const { port, one } = scene
process.stdout.write(`http://127.0.0.1:${port}/?token=${TOKEN}\nkey of a holder: ${one.key}\n`)
process.once('exit', () => scene.close())
process.once('SIGINT', () => process.exit(0))
process.once('SIGTERM', () => process.exit(0))
