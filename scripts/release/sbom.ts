import { createHash } from 'node:crypto'
import type { Lock, LockedPackage } from './lock.js'

/** Packages that the build copies from: their code is in a release, in what the page loads. */
const BUNDLED: readonly string[] = ['preact', 'uplot']

/** A piece of a CycloneDX document. */
type Json = { readonly [name: string]: unknown }

/**
 * Makes the list of what a release consists of (SBOM): CycloneDX 1.5 as JSON, with the packages of production, and those
 * that the page's files are made of. The same lock file gives the same bytes: `npm sbom` does not, as its number and
 * time are new in each run, and it names the folder in place of the package.
 * @param epoch `SOURCE_DATE_EPOCH`: seconds, for the time in the document; null leaves the time out
 * @throws if a package is in the lock file twice with different hashes, or needs one that is not there
 * @see https://cyclonedx.org/docs/1.5/json/
 */
export function makeSbom(lock: Lock, epoch: number | null): Json {
  const byPurl = new Map<string, LockedPackage>()
  const bundled = lock.packages.filter(({ path }) => BUNDLED.some((name) => path === `node_modules/${name}`))
  for (const each of [...lock.production, ...bundled]) {
    const known = byPurl.get(makePurl(each))
    if (known !== undefined && known.integrity !== each.integrity)
      throw new Error(`${each.path} differs from ${known.path}`)
    byPurl.set(makePurl(each), each)
  }
  const packages = [...byPurl.values()].sort((a, b) => (makePurl(a) < makePurl(b) ? -1 : 1))
  const root = makePurl(lock)
  const body = {
    version: 1,
    metadata: {
      ...(epoch === null ? {} : { timestamp: new Date(epoch * 1000).toISOString() }),
      lifecycles: [{ phase: 'build' }],
      component: {
        type: 'application',
        'bom-ref': root,
        name: lock.name,
        version: lock.version,
        purl: root,
        licenses: listLicences(lock.licence),
      },
    },
    components: packages.map(makeComponent),
    dependencies: [
      {
        ref: root,
        dependsOn: findPurls(lock, '', [...lock.dependencies, ...bundled.map(({ name }) => name)]),
      },
      ...packages.map((each) => ({
        ref: makePurl(each),
        dependsOn: findPurls(lock, each.path, each.dependencies),
      })),
    ],
  }
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    serialNumber: makeSerialNumber(JSON.stringify(body)),
    ...body,
  }
}

function makeComponent(each: LockedPackage): Json {
  const purl = makePurl(each)
  const [group, name] = each.name.startsWith('@') ? each.name.split('/') : [undefined, each.name]
  return {
    type: 'library',
    'bom-ref': purl,
    ...(group === undefined ? {} : { group }),
    name,
    version: each.version,
    scope: 'required',
    hashes: [{ alg: 'SHA-512', content: readSha512(each) }],
    licenses: listLicences(each.licence),
    purl,
  }
}

/** The hash of the package's archive, in hexadecimal. */
export function readSha512({ path, integrity }: LockedPackage): string {
  const hash = /(?:^| )sha512-(\S+)/.exec(integrity)?.[1]
  if (hash === undefined) throw new Error(`${path} has no SHA-512`)
  return Buffer.from(hash, 'base64').toString('hex')
}

/** The address of a package that does not depend on where it is kept (package URL). */
export function makePurl({ name, version }: { readonly name: string; readonly version: string }): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`
}

/** CycloneDX has one field for the id of a licence, and another one for an expression of several. */
function listLicences(licence: string): Json[] {
  return /^[\w.+-]+$/.test(licence) ? [{ license: { id: licence } }] : [{ expression: licence }]
}

/** Finds the packages that a package loads, as Node does: in its own folder first, then in those above it. */
function findPurls(lock: Lock, from: string, names: readonly string[]): string[] {
  const found = names.map((name) => {
    for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
      const path = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`
      const each = lock.packages.find((candidate) => candidate.path === path)
      if (each !== undefined) return makePurl(each)
      if (folder === '')
        throw new Error(`${from === '' ? lock.name : from} needs ${name}, which is not in the lock file`)
    }
  })
  return [...new Set(found)].sort()
}

/** A UUID of version 8 (RFC 9562, 5.8), which stands for the content. */
function makeSerialNumber(content: string): string {
  const bytes = createHash('sha256').update(content).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `urn:uuid:${[hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')}`
}
