import { posix } from 'node:path'

/**
 * Joins ES modules of our own into one file, each in a function of its own. There is no parser here: it reads imports and
 * exports in the form in which `tsc` writes them, at the beginning of a line, and throws on any other.
 */
export interface JoinOptions {
  /** Path of the first module. Paths of modules are relative to one folder. */
  readonly entry: string
  /** Reads the text of a module. @throws if there is none */
  readonly read: (path: string) => string
  /** What packages are loaded as, by the names that are imported: `./preact-3f2a.js`, or a module of our own. */
  readonly packages: Readonly<Record<string, string>>
  /** Names that the joined file exports, all of them of the first module. */
  readonly exports?: readonly string[]
}

const IMPORT = /^import\s+(?:(\w+)\s*,?\s*)?(?:\{([^}]*)\}\s*)?from\s*(['"])([^'"\n]+)\3;?[ \t]*$/gm
const EXPORT_FROM = /^export\s*\{([^}]*)\}\s*from\s*(['"])([^'"\n]+)\2;?[ \t]*$/gm
const EXPORT_LIST = /^export\s*\{([^}]*)\};?[ \t]*$/gm
const EXPORT = /^export\s+((?:async\s+)?function\*?|class|const)\s+(\w+)/gm
const LEFT_OVER = /^\s*(?:import\b(?!\s*\.)|export\b).*$/m
const DYNAMIC = /\bimport\s*\(/

/** @throws Error for a form that it does not know, a missing export, or modules that import each other in a circle */
export function joinModules(options: JoinOptions): string {
  const joiner = new Joiner(options)
  const entry = joiner.add(options.entry)
  const names = options.exports ?? []
  for (const name of names) joiner.check(options.entry, name)
  const outside = [...joiner.outside].map(
    ([from, name]) => `import * as ${name} from ${JSON.stringify(from)};\n`,
  )
  const end = names.length === 0 ? '' : `export const { ${names.join(', ')} } = ${entry};\n`
  return `${outside.join('')}${joiner.texts.join('')}${end}`
}

class Joiner {
  readonly texts: string[] = []
  /** Name of each file that stays apart. */
  readonly outside = new Map<string, string>()
  private readonly options: JoinOptions
  /** Name of each module that is joined; null while those that it imports are. */
  private readonly names = new Map<string, string | null>()
  private readonly exported = new Map<string, ReadonlySet<string>>()

  constructor(options: JoinOptions) {
    this.options = options
  }

  /** @returns the name that the module's exports have in the joined file */
  add(path: string): string {
    const known = this.names.get(path)
    if (known === null) throw new Error(`${path} is imported in a circle`)
    if (known !== undefined) return known
    this.names.set(path, null)
    const text = this.options.read(path)
    if (DYNAMIC.test(text)) throw new Error(`${path} has an import() that cannot be joined`)
    const returned = new Map<string, string>()
    const body = text
      .replace(IMPORT, (_, whole: string | undefined, list: string | undefined, __, from: string) => {
        const source = this.find(path, from)
        return [
          ...(whole === undefined ? [] : [`const ${whole} = ${source}.default;`]),
          ...(list === undefined ? [] : [this.destructure(path, from, source, list)]),
        ].join(' ')
      })
      .replace(EXPORT_FROM, (_, list: string, __, from: string) => {
        const source = this.find(path, from)
        for (const [name, as] of readList(path, list)) {
          this.check(this.locate(path, from), name)
          returned.set(as, `${source}.${name}`)
        }
        return ''
      })
      .replace(EXPORT_LIST, (_, list: string) => {
        for (const [name, as] of readList(path, list)) returned.set(as, name)
        return ''
      })
      .replace(EXPORT, (_, kind: string, name: string) => {
        returned.set(name, name)
        return `${kind} ${name}`
      })
    const odd = LEFT_OVER.exec(body)
    if (odd !== null) throw new Error(`${path} has a line that cannot be joined: ${odd[0].trim()}`)
    const name = `module${this.texts.length}`
    const pairs = [...returned].map(([as, value]) => (as === value ? as : `${as}: ${value}`))
    this.texts.push(`const ${name} = (() => {\n${body.trim()}\nreturn { ${pairs.join(', ')} };\n})();\n`)
    this.names.set(path, name)
    this.exported.set(path, new Set(returned.keys()))
    return name
  }

  /** @throws if a module of our own does not export the name: it would be undefined in silence */
  check(path: string | null, name: string): void {
    const names = path === null ? undefined : this.exported.get(path)
    if (names !== undefined && !names.has(name)) throw new Error(`${path} does not export ${name}`)
  }

  private find(path: string, from: string): string {
    const own = this.locate(path, from)
    if (own !== null) return this.add(own)
    const file = this.options.packages[from] as string
    const known = this.outside.get(file)
    if (known !== undefined) return known
    const name = `outside${this.outside.size}`
    this.outside.set(file, name)
    return name
  }

  /** @returns the path of a module of our own; null for a file that stays apart */
  private locate(path: string, from: string): string | null {
    if (from.startsWith('.')) return posix.join(posix.dirname(path), from)
    const file = this.options.packages[from]
    if (file === undefined) throw new Error(`${path} imports ${from}, which is not there for it`)
    return file.startsWith('./') ? null : file
  }

  private destructure(path: string, from: string, source: string, list: string): string {
    const names = readList(path, list)
    for (const [name] of names) this.check(this.locate(path, from), name)
    const pairs = names.map(([name, as]) => (name === as ? name : `${name}: ${as}`))
    return `const { ${pairs.join(', ')} } = ${source};`
  }
}

/** `a, b as c` to pairs. */
function readList(path: string, list: string): (readonly [string, string])[] {
  return list
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
    .map((each) => {
      const [, name, as] = /^(\w+)(?:\s+as\s+(\w+))?$/.exec(each) ?? []
      if (name === undefined) throw new Error(`${path} has a name that cannot be joined: ${each}`)
      return [name, as ?? name] as const
    })
}
