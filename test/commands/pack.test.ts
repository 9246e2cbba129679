import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** What the build needs. */
const SOURCES = ['package.json', 'tsconfig.json', 'README.md', 'src', 'bench', 'scripts']

test('npm pack makes a package that runs, whatever was built before', () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-pack-'))
  try {
    for (const name of SOURCES) cpSync(join(ROOT, name), join(folder, name), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    // Of a source that is no more.
    mkdirSync(join(folder, 'dist', 'src'), { recursive: true })
    writeFileSync(join(folder, 'dist', 'src', 'gone.js'), '')
    const npm = process.env.npm_execpath
    const [command, before] = npm === undefined ? ['npm', []] : [process.execPath, [npm]]
    const options = { cwd: folder, encoding: 'utf8' } as const
    const packed = spawnSync(command, [...before, 'pack', '--json', '--loglevel', 'error'], options)
    assert.is(packed.status, 0, packed.stderr)
    execFileSync('tar', ['xzf', JSON.parse(packed.stdout)[0].filename], options)
    const files = execFileSync('tar', ['tzf', JSON.parse(packed.stdout)[0].filename], options).split('\n')
    for (const name of [
      'dist/src/cli.js',
      'dist/config.schema.json',
      'dist/usage.schema.json',
      'README.md',
      'dist/src/page/assets/index.html',
      'dist/src/page/assets/manifest.json',
      'dist/src/page/report/report.js',
      'dist/src/page/report/report.css',
      'src/limits/RULES.md',
      'src/access/RULES.md',
    ])
      assert.ok(files.includes(`package/${name}`), name)
    const manifest = readFileSync(
      join(folder, 'package', 'dist', 'src', 'page', 'assets', 'manifest.json'),
      'utf8',
    )
    const assets = Object.values(JSON.parse(manifest).files as Record<string, { file: string }>)
    assert.ok(assets.length > 5)
    for (const { file } of assets)
      for (const ending of ['', '.br', '.gz'])
        assert.ok(files.includes(`package/dist/src/page/assets/${file}${ending}`), file)
    assert.equal(
      files.filter(
        (name) =>
          name.includes('gone') ||
          /^package\/(?!dist\/|scripts\/deploy\/|src\/(?:config|ledger|access|limits|page|workers)\/\w+\.(?:md|png)$)[^/]+\//.test(
            name,
          ),
      ),
      [],
    )
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'package', 'node_modules'))
    const help = spawnSync(
      process.execPath,
      [join(folder, 'package', 'dist', 'src', 'cli.js'), 'start', '--help'],
      options,
    )
    assert.is(help.status, 0, help.stderr)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
