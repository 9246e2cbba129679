import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { joinModules } from './page-modules.js'

/**
 * Run by the build, behind `tsc -p src/page/browser`: makes the files that the page's server serves, with content hashes
 * in their names and compressed beside each, and what `thinwire usage report --html` writes reports with.
 */

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SOURCE = join(ROOT, 'src/page/browser')
const BUILT = join(ROOT, 'dist/browser')
const ASSETS = join(ROOT, 'dist/src/page/assets')
const REPORT = join(ROOT, 'dist/src/page/report')

/** For all that a browser loads, compressed: then the page is there within a second over a slow line, too. */
const MAX_BYTES = 150_000

const resolvePackage = createRequire(import.meta.url).resolve

interface Asset {
  readonly file: string
  readonly type: string
  /** Compressed with Brotli. */
  readonly bytes: number
}

const assets: Asset[] = []

function main(): void {
  for (const folder of [ASSETS, REPORT]) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
  }
  const script = 'text/javascript'
  const preact = write('preact', 'js', script, readPackage('preact', 'dist/preact.mjs'))
  const toPreact = (text: string): string => rename(text, 'preact', `./${preact}`)
  const hooks = write('hooks', 'js', script, toPreact(readPackage('preact', 'hooks/dist/hooks.mjs')))
  const jsx = write('jsx', 'js', script, toPreact(readPackage('preact', 'jsx-runtime/dist/jsxRuntime.mjs')))
  const uplot = write('uplot', 'js', script, toModule(readPackage('uplot', 'dist/uPlot.iife.min.js')))
  const packages = {
    preact: `./${preact}`,
    'preact/hooks': `./${hooks}`,
    'preact/jsx-runtime': `./${jsx}`,
    uplot: `./${uplot}`,
  }
  const read = (path: string): string => readFileSync(join(BUILT, path), 'utf8')
  const app = write('app', 'js', script, joinModules({ entry: 'page/browser/main.js', read, packages }))
  const css = [readPackage('uplot', 'dist/uPlot.min.css'), ...readStyles()].join('\n')
  const style = write('style', 'css', 'text/css', css)
  const icon = write('icon', 'svg', 'image/svg+xml', readFileSync(join(SOURCE, 'icon.svg'), 'utf8'))
  writeIndex(style, icon, app, [preact, hooks, jsx, uplot])
  writeReport(read)
  const all = assets.reduce((sum, { bytes }) => sum + bytes, 0)
  process.stderr.write(`page: ${assets.length} files, ${(all / 1_000).toFixed(1)} KB compressed\n`)
  if (all > MAX_BYTES) throw new Error(`the page has ${all} bytes compressed: at most ${MAX_BYTES}`)
}

/** The page itself, and the list of all files. */
function writeIndex(style: string, icon: string, app: string, modules: readonly string[]): void {
  const preloads = [...modules, app].map((file) => `<link rel="modulepreload" href="/assets/${file}">`)
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Thinwire</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="/assets/${style}">
<link rel="icon" href="/assets/${icon}" type="image/svg+xml">
${preloads.join('\n')}
<script type="module" src="/assets/${app}"></script>
</head>
<body>
<div id="app"></div>
<noscript><p>This page needs JavaScript. <a href="/sign-in">Sign in without it</a></p></noscript>
</body>
</html>
`
  writeFileSync(join(ASSETS, 'index.html'), html)
  assets.push({ file: 'index.html', type: 'text/html', bytes: Buffer.byteLength(html) })
  const files = assets
    .filter(({ file }) => file !== 'index.html')
    .map(({ file, type }) => [`/assets/${file}`, { file, type, br: true, gz: true }])
  const manifest = { index: 'index.html', files: Object.fromEntries(files) }
  writeFileSync(join(ASSETS, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`)
}

/** What writes reports: the same components, with text of HTML in place of Preact. */
function writeReport(read: (path: string) => string): void {
  const packages = { 'preact/jsx-runtime': 'page/browser/report/static-jsx.js' }
  const entry = 'page/browser/report/report.js'
  writeFileSync(join(REPORT, 'report.js'), joinModules({ entry, read, packages, exports: ['renderReport'] }))
  const styles = ['css/1-base.css', 'css/3-parts.css', 'report/report.css'].map((file) =>
    readFileSync(join(SOURCE, file), 'utf8'),
  )
  writeFileSync(join(REPORT, 'report.css'), shorten(styles.join('\n')))
}

/** The style sheets in the order of their names. */
function readStyles(): string[] {
  const folder = join(SOURCE, 'css')
  return readdirSync(folder)
    .sort()
    .map((file) => shorten(readFileSync(join(folder, file), 'utf8')))
}

/** Without comments and indents, which no string of a style sheet here has in it. */
function shorten(css: string): string {
  return css
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\s*\n\s*/g, '\n')
    .trim()
}

/** Writes a file with the hash of its content in its name. @returns the name */
function write(name: string, ending: string, type: string, text: string): string {
  const bytes = Buffer.from(text)
  const file = `${name}-${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}.${ending}`
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length }
  const compressed = brotliCompressSync(bytes, { params })
  writeFileSync(join(ASSETS, file), bytes)
  writeFileSync(join(ASSETS, `${file}.br`), compressed)
  writeFileSync(join(ASSETS, `${file}.gz`), gzipSync(bytes, { level: 9 }))
  assets.push({ file, type, bytes: compressed.length })
  return file
}

/** A file of a package, under its licence, which has to be with each copy. */
function readPackage(name: string, path: string): string {
  const folder = dirname(resolvePackage(`${name}/package.json`))
  const text = readFileSync(join(folder, path), 'utf8').replace(/^\/\/# sourceMappingURL=.*$/m, '')
  if (path.endsWith('.css')) return text
  const licence = readFileSync(join(folder, 'LICENSE'), 'utf8').trim()
  if (licence.includes('*/')) throw new Error(`the licence of ${name} cannot be in a comment`)
  return `/*! ${name}\n${licence} */\n${text.trim()}\n`
}

/** Has a module import another file in place of a package. */
function rename(text: string, from: string, to: string): string {
  const form = new RegExp(`\\b(from|import)\\s*"${from}"`, 'g')
  const renamed = text.replace(form, `$1"${to}"`)
  const left = /\b(?:from|import)\s*["'](?!\.)[^"'\n]*["']/.exec(renamed.replace(/^\/\*![\s\S]*?\*\//, ''))
  if (renamed === text || left !== null)
    throw new Error(`a module of ${from} has an unknown import: ${left?.[0] ?? ''}`)
  return renamed
}

/** uPlot is there minified only as a script that sets a variable. */
function toModule(text: string): string {
  if (!/^var uPlot=function\(\)\{/m.test(text) || !/\}\(\);\s*$/.test(text))
    throw new Error('uPlot has another form than it had: see dist/uPlot.iife.min.js')
  return `${text}export { uPlot as default };\n`
}

main()
