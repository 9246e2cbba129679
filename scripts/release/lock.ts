/** A package of `package-lock.json`. */
export interface LockedPackage {
  /** Where it is installed: `node_modules/NAME`, or deeper where two versions are needed. */
  readonly path: string
  /** With its scope: `@scope/name`. */
  readonly name: string
  readonly version: string
  /** Subresource integrity: `sha512-BASE64`; several are separated by blanks. Empty if the file has none. */
  readonly integrity: string
  /** An SPDX expression; empty if the package says none. */
  readonly licence: string
  /** Which Node it needs, as its author wrote it; null if it does not say. */
  readonly nodeRange: string | null
  /** Whether only tests, the build and benches need it. */
  readonly isDev: boolean
  /** Whether it runs a program when it is installed. */
  readonly hasInstallScript: boolean
  /** Whether the file says from which server it comes: such an address is of the machine that wrote the file. */
  readonly hasAddress: boolean
  /** The names of the packages that it loads at run time. */
  readonly dependencies: readonly string[]
}

export interface Lock {
  readonly name: string
  readonly version: string
  readonly licence: string
  /** The names of the packages that the relay itself needs at run time. */
  readonly dependencies: readonly string[]
  readonly packages: readonly LockedPackage[]
  /** Those of `packages` that a relay needs at run time. */
  readonly production: readonly LockedPackage[]
}

interface Entry {
  readonly name?: string
  readonly version?: string
  readonly integrity?: string
  readonly license?: string
  readonly engines?: { readonly node?: string }
  readonly dev?: boolean
  readonly devOptional?: boolean
  readonly hasInstallScript?: boolean
  readonly resolved?: string
  readonly link?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
}

/**
 * Reads a lock file of npm (`lockfileVersion` 3).
 * @throws if it has another version, or a package that is a link to a folder
 */
export function readLock(text: string): Lock {
  const lock = JSON.parse(text) as { lockfileVersion: number; packages: Record<string, Entry> }
  if (lock.lockfileVersion !== 3) throw new Error('package-lock.json: lockfileVersion must be 3')
  const { '': root = {}, ...entries } = lock.packages
  const packages = Object.entries(entries).map(([path, entry]) => readEntry(path, entry))
  return {
    name: root.name ?? '',
    version: root.version ?? '',
    licence: root.license ?? '',
    dependencies: Object.keys(root.dependencies ?? {}),
    packages,
    production: packages.filter(({ isDev }) => !isDev),
  }
}

function readEntry(path: string, entry: Entry): LockedPackage {
  if (entry.link === true) throw new Error(`package-lock.json: ${path} is a link to a folder`)
  return {
    path,
    name: entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
    version: entry.version ?? '',
    integrity: entry.integrity ?? '',
    licence: entry.license ?? '',
    nodeRange: entry.engines?.node ?? null,
    isDev: entry.dev === true || entry.devOptional === true,
    hasInstallScript: entry.hasInstallScript === true,
    hasAddress: entry.resolved !== undefined,
    dependencies: Object.keys(entry.dependencies ?? {}),
  }
}
