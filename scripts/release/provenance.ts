import type { Lock } from './lock.js'
import { makePurl, readSha512 } from './sbom.js'

/** A file of a release. */
export interface ReleaseFile {
  readonly name: string
  /** In hexadecimal. */
  readonly sha256: string
}

/** How a release was made. */
export interface Build {
  /** The commit, in hexadecimal. */
  readonly commit: string
  /** Whether files differed from the commit. */
  readonly isDirty: boolean
  readonly nodeVersion: string
  readonly npmVersion: string
  /** Who made it: a URI of the pipeline or the person. Whoever checks the statement compares it with whom they trust. */
  readonly builder: string
  /** `SOURCE_DATE_EPOCH`; null leaves the time out. */
  readonly epoch: number | null
}

/**
 * Makes the statement from which source and by which means files were made. It is worth as much as its signature.
 * @see https://in-toto.io/Statement/v1 and https://slsa.dev/provenance/v1
 */
export function makeProvenance(
  files: readonly ReleaseFile[],
  lock: Lock,
  build: Build,
): Record<string, unknown> {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: files.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'urn:thinwire:npm-pack:v1',
        externalParameters: { package: makePurl(lock), commit: build.commit },
        internalParameters: {
          node: build.nodeVersion,
          npm: build.npmVersion,
          changedAfterCommit: build.isDirty,
        },
        resolvedDependencies: [
          { name: 'source', digest: { gitCommit: build.commit } },
          // Tools too: what compiles the code can change it.
          ...lock.packages.map((each) => ({ uri: makePurl(each), digest: { sha512: readSha512(each) } })),
        ],
      },
      runDetails: {
        builder: { id: build.builder },
        ...(build.epoch === null
          ? {}
          : { metadata: { startedOn: new Date(build.epoch * 1000).toISOString() } }),
      },
    },
  }
}
