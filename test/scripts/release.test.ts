import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { makeAppFolder } from '../../scripts/release/app-folder.js'
import { readLock } from '../../scripts/release/lock.js'
import { checkPack } from '../../scripts/release/pack-check.js'
import { makeRelease } from '../../scripts/release/release.js'
import { makeSbom } from '../../scripts/release/sbom.js'

const LOCK = readLock(readFileSync('package-lock.json', 'utf8'))

interface Place {
  folder: string
}
const test = suite<Place>('release')
const HAS_COMMIT = spawnSync('git', ['rev-parse', 'HEAD']).status === 0
if (!HAS_COMMIT) process.stderr.write('this is no clone of git: no release is made\n')
const inClone = HAS_COMMIT ? test : test.skip
test.before.each((place) => {
  place.folder = mkdtempSync(join(tmpdir(), 'thinwire-release-'))
})
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }))

/** A release without a time, which some tests look at: each takes several seconds. */
let made: ReturnType<typeof release>
const RELEASES = mkdtempSync(join(tmpdir(), 'thinwire-releases-'))
const OUT = join(RELEASES, 'out')
test.before(() => {
  if (HAS_COMMIT) made = release(OUT)
})
test.after(() => rmSync(RELEASES, { recursive: true, force: true }))

/** Makes a release of this tree, as it was built, without a network. */
function release(folder: string, args: readonly string[] = ['--built', '--allow-changes'], epoch = '') {
  const env = { ...process.env, SOURCE_DATE_EPOCH: epoch, npm_config_offline: 'true' }
  const command = ['dist/scripts/release/release.js', folder, ...args]
  return spawnSync(process.execPath, command, { encoding: 'utf8', env })
}

const readJson = (file: string) => JSON.parse(readFileSync(file, 'utf8'))

inClone('a release has the package, its SBOM, its provenance and sums that are right', () => {
  assert.is(made.status, 0, made.stderr)
  const { name, version } = LOCK
  const names = [
    `${name}-${version}.tgz`,
    `${name}-${version}.cdx.json`,
    `${name}-${version}.intoto.json`,
    'SHA256SUMS',
  ]
  assert.equal(readdirSync(OUT).sort(), [...names].sort())
  assert.equal(
    made.stdout.trim().split('\n'),
    names.map((each) => join(OUT, each)),
  )
  const listed = readFileSync(join(OUT, 'SHA256SUMS'), 'utf8').trim().split('\n')
  assert.equal(
    listed,
    names.slice(0, 3).map(
      (each) =>
        `${createHash('sha256')
          .update(readFileSync(join(OUT, each)))
          .digest('hex')}  ${each}`,
    ),
  )

  const statement = readJson(join(OUT, names[2] as string))
  assert.is(statement._type, 'https://in-toto.io/Statement/v1')
  assert.is(statement.predicateType, 'https://slsa.dev/provenance/v1')
  const sums = readFileSync(join(OUT, 'SHA256SUMS'), 'utf8')
  for (const subject of statement.subject) assert.match(sums, `${subject.digest.sha256}  ${subject.name}\n`)
  const { buildDefinition, runDetails } = statement.predicate
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim()
  assert.is(buildDefinition.externalParameters.commit, commit)
  assert.is(buildDefinition.internalParameters.node, process.versions.node)
  assert.is(buildDefinition.resolvedDependencies.length, LOCK.packages.length + 1)
  assert.is(runDetails.builder.id, 'urn:thinwire:by-hand')
  assert.is(runDetails.metadata, undefined)
})

inClone(
  'two releases of one commit are equal, wherever they are made from; only SOURCE_DATE_EPOCH gives them a time',
  ({ folder }) => {
    assert.is(made.status, 0, made.stderr)
    const epoch = 1_790_000_000
    // A relative folder is one of where the release is made from.
    const command = [resolve('dist/scripts/release/release.js'), 'two', '--built', '--allow-changes']
    const env = { ...process.env, SOURCE_DATE_EPOCH: String(epoch), npm_config_offline: 'true' }
    const again = spawnSync(process.execPath, command, { cwd: folder, encoding: 'utf8', env })
    assert.is(again.status, 0, again.stderr)
    const two = join(folder, 'two')
    assert.equal(readdirSync(two), readdirSync(OUT))
    const [tgz, cdx, intoto] = ['.tgz', '.cdx.json', '.intoto.json'].map(
      (ending) => `${LOCK.name}-${LOCK.version}${ending}`,
    ) as [string, string, string]
    const isEqual = (name: string, text: Buffer): boolean => readFileSync(join(OUT, name)).equals(text)
    assert.ok(isEqual(tgz, readFileSync(join(two, tgz))))
    // The documents are made of nothing but the lock file, the commit and the time.
    const print = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value, null, 2)}\n`)
    assert.ok(isEqual(cdx, print(makeSbom(LOCK, null))))
    assert.ok(readFileSync(join(two, cdx)).equals(print(makeSbom(LOCK, epoch))))
    assert.is(readJson(join(two, cdx)).metadata.timestamp, '2026-09-21T14:13:20.000Z')
    assert.is(readJson(join(OUT, cdx)).metadata.timestamp, undefined)
    // Without its time and the hash of what has one, the provenance is the same.
    const statement = readJson(join(two, intoto))
    assert.equal(statement.predicate.runDetails.metadata, { startedOn: '2026-09-21T14:13:20.000Z' })
    delete statement.predicate.runDetails.metadata
    statement.subject.find(({ name }: { name: string }) => name === cdx).digest.sha256 = createHash('sha256')
      .update(readFileSync(join(OUT, cdx)))
      .digest('hex')
    assert.ok(isEqual(intoto, print(statement)))
  },
)

test('a release is refused into a folder with files, with a wrong time, and without a folder', ({
  folder,
}) => {
  writeFileSync(join(folder, 'a'), '')
  const full = release(folder)
  assert.is(full.status, 1)
  assert.match(full.stderr, 'is not empty: name a new folder')
  const late = release(join(folder, 'b'), undefined, 'yesterday')
  assert.is(late.status, 1)
  assert.match(late.stderr, 'SOURCE_DATE_EPOCH must be seconds')
  const none = spawnSync(process.execPath, ['dist/scripts/release/release.js'], { encoding: 'utf8' })
  assert.is(none.status, 2)
  assert.match(none.stderr, 'name one folder')
})

/** A clone of one commit, as far as a release looks at it before it packs. */
function cloneAt(root: string): void {
  mkdirSync(join(root, 'src'), { recursive: true })
  for (const name of ['package.json', 'package-lock.json', '.gitignore']) copyFileSync(name, join(root, name))
  writeFileSync(join(root, 'src', 'cli.ts'), '')
  const author = ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-c', 'commit.gpgsign=false']
  for (const args of [
    ['init', '-q'],
    ['add', '-A'],
    [...author, 'commit', '-qm', 'first'],
  ])
    execFileSync('git', args, { cwd: root, stdio: 'pipe' })
}

for (const [what, spoil] of [
  ['a changed file', (root) => writeFileSync(join(root, 'src', 'cli.ts'), 'changed')],
  ['a file that is staged', (root) => stage(root, 'src/new.ts')],
  ['a file that is not in the commit', (root) => writeFileSync(join(root, 'src', 'new.ts'), '')],
  [
    'such a file that git is set not to show',
    (root) => {
      writeFileSync(join(root, 'src', 'new.ts'), '')
      execFileSync('git', ['config', 'status.showUntrackedFiles', 'no'], { cwd: root })
    },
  ],
  [
    "such a file that the person's own list ignores",
    (root) => {
      writeFileSync(join(root, 'src', 'new.ts'), '')
      writeFileSync(`${root}.ignored`, 'new.ts\n')
      execFileSync('git', ['config', 'core.excludesFile', `${root}.ignored`], { cwd: root })
    },
  ],
] as ReadonlyArray<[string, (root: string) => void]>)
  inClone(`a release with ${what} is refused, and nothing is written`, ({ folder }) => {
    const root = join(folder, 'clone')
    const out = join(folder, 'out')
    cloneAt(root)
    spoil(root)
    const options = { isBuilt: true, allowChanges: false, builder: 'urn:x', epoch: null }
    assert.throws(() => makeRelease(root, out, options), /^files differ from the commit: commit them, or use/)
    assert.equal(readdirSync(out), [])
  })

function stage(root: string, name: string): void {
  writeFileSync(join(root, name), '')
  execFileSync('git', ['add', name], { cwd: root })
}

test('the folder of the image is made in an empty folder alone, and deletes nothing', ({ folder }) => {
  writeFileSync(join(folder, 'mine'), '')
  assert.throws(() => makeAppFolder('.', folder), /is not empty: name a new folder$/)
  assert.equal(readdirSync(folder), ['mine'])
})

/** What the page's files are made of. */
const BUNDLED = ['preact', 'uplot']

test('the SBOM names each package of production once, with hash, licence and address, and no tool', () => {
  const sbom = JSON.parse(JSON.stringify(makeSbom(LOCK, null)))
  assert.match(
    sbom.serialNumber,
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  )
  assert.equal(sbom, JSON.parse(JSON.stringify(makeSbom(LOCK, null))))
  const refs = [sbom.metadata.component, ...sbom.components].map((each) => each['bom-ref'])
  assert.is(new Set(refs).size, refs.length)
  assert.is(
    sbom.components.length,
    new Set(LOCK.production.map((each) => `${each.name}@${each.version}`)).size + BUNDLED.length,
  )
  for (const each of sbom.components) {
    assert.match(each.purl, /^pkg:npm\/(?:%40[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+$/)
    assert.match(each.hashes[0].content, /^[0-9a-f]{128}$/)
    assert.ok(each.licenses[0].license?.id ?? each.licenses[0].expression, each.purl)
  }
  for (const name of BUNDLED)
    assert.ok(
      refs.some((ref) => ref.includes(`/${name}@`)),
      name,
    )
  for (const name of ['typescript', 'openai', 'uvu'])
    assert.not(
      refs.some((ref) => ref.includes(`/${name}@`)),
      name,
    )
})

test('the SBOM says what needs what, down to a second version of a package', () => {
  const { dependencies } = JSON.parse(JSON.stringify(makeSbom(LOCK, null)))
  const graph = new Map<string, string[]>(
    dependencies.map((each: { ref: string; dependsOn: string[] }) => [each.ref, each.dependsOn]),
  )
  const reached = new Set<string>()
  const walk = (ref: string): void => {
    if (reached.has(ref)) return
    reached.add(ref)
    const needed = graph.get(ref)
    assert.ok(needed, ref)
    for (const next of needed ?? []) walk(next)
  }
  walk(`pkg:npm/thinwire@${LOCK.version}`)
  assert.equal([...reached].sort(), [...graph.keys()].sort())
  for (const nested of LOCK.production.filter(({ path }) => path.lastIndexOf('node_modules/') > 0)) {
    const outer = LOCK.production.find(({ path }) => nested.path.startsWith(`${path}/node_modules/`))
    assert.ok(
      graph
        .get(`pkg:npm/${outer?.name}@${outer?.version}`)
        ?.includes(`pkg:npm/${nested.name}@${nested.version}`),
    )
  }
})

const GOOD = [
  'package.json',
  'README.md',
  'LICENSE',
  'dist/src/cli.js',
  'dist/src/page/assets/index.html',
  'dist/src/page/assets/manifest.json',
  'dist/src/page/report/report.css',
  'dist/config.schema.json',
  'dist/usage.schema.json',
  'scripts/deploy/README.md',
  'scripts/deploy/Containerfile',
]

test('the check of the package finds what is missing and what is too much', () => {
  assert.equal(checkPack(GOOD), [])
  assert.match(checkPack(GOOD.slice(1))[0] ?? '', 'package.json is missing')
  for (const path of [
    '.env',
    'scripts/deploy/.env',
    'data/keys.jsonl',
    'scripts/deploy/tls.key',
    'scripts/deploy/thinwire.json',
  ])
    assert.equal(checkPack([...GOOD, path]), [`${path} may have secrets: it must not be packed`])
  for (const path of [
    'test/run.ts',
    'dist/test/run.js',
    'src/cli.ts',
    'node_modules/zod/index.js',
    'dist/src/a.txt',
  ])
    assert.equal(checkPack([...GOOD, path]), [`${path} is not part of a release`])
})

test.run()
