/** What has to be in the package of npm. */
const NEEDED = [
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

/** What may be in it. */
const ALLOWED =
  /^(?:package\.json|(?:README|CHANGELOG|SECURITY)\.md|LICENSE|dist\/src\/.+\.(?:js|js\.map|d\.ts)|dist\/src\/page\/assets\/(?:[a-z]+-[0-9a-f]{12}\.(?:js|css|svg)(?:\.br|\.gz)?|index\.html|manifest\.json)|dist\/src\/page\/report\/report\.css|dist\/\w+\.schema\.json|scripts\/deploy\/[\w.-]+|src\/\w+\/\w+\.md|src\/page\/\w+\.png)$/

/** What is in no package, wherever it stands: settings, keys, records and certificates of whoever packs it. */
const SECRET =
  /(?:^|\/)(?:\.env|\.npmrc|thinwire\.json|first-key|data|id_\w+)(?:\/|$)|\.(?:jsonl|pem|key|p12|log)$/

/**
 * Checks what `npm pack` has packed.
 * @param paths of the files, relative to the package
 * @returns a sentence for each problem; none if all is well
 */
export function checkPack(paths: readonly string[]): string[] {
  return [
    ...NEEDED.filter((path) => !paths.includes(path)).map(
      (path) => `${path} is missing: see "files" in package.json`,
    ),
    ...paths
      .filter((path) => SECRET.test(path))
      .map((path) => `${path} may have secrets: it must not be packed`),
    ...paths
      .filter((path) => !SECRET.test(path) && !ALLOWED.test(path))
      .map((path) => `${path} is not part of a release`),
  ]
}
