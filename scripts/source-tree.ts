import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'

/** The rules for a source tree. Paths are relative to `src`, with `/` between their parts. */
export interface TreeRules {
  /**
   * The layers, lowest first. A layer lists folders and files directly under `src`. An import goes to the same layer or
   * to a lower one; folders of one layer may import each other if that makes no cycle.
   */
  readonly layers: readonly (readonly string[])[]
  /** Imports that break the rules and are tolerated for now, as `importing/file.ts -> imported/file.ts`. */
  readonly allowedImports: readonly string[]
  /** Folders whose README.md may be missing or of another length for now. */
  readonly allowedReadmes: readonly string[]
  /** Folders in which comment lines may be too long for now. */
  readonly allowedComments: readonly string[]
  /** Files that may be too long for now. */
  readonly allowedFiles: readonly string[]
  /** Folders whose code runs elsewhere, such as in a browser. */
  readonly apart?: readonly FolderApart[]
}

/** A folder that imports nothing but its own files and these, and that no other file imports. */
export interface FolderApart {
  /** Relative to `src`: `page/browser`. */
  readonly folder: string
  readonly files: readonly string[]
  readonly packages: readonly string[]
}

/** Each problem and each warning is one line that says where it is and what to do. */
export interface TreeReport {
  readonly problems: readonly string[]
  /** What the allow-lists tolerate. */
  readonly allowed: readonly string[]
  /** Entries of the allow-lists that are no longer needed. */
  readonly warnings: readonly string[]
}

interface SourceFile {
  readonly path: string
  readonly lines: readonly string[]
  /** Paths under `src` that it imports; types, re-exports and `import()` count. */
  readonly imports: readonly Import[]
  readonly packages: readonly string[]
}

interface Import {
  readonly path: string
  readonly line: number
}

/** One import that leads from one folder to another. */
interface Crossing {
  readonly from: string
  readonly to: string
  readonly file: SourceFile
  readonly target: Import
}

const COMMENT_COLUMNS = 120
const FILE_LINES = 400

/** Maximum number of places that a report names for one problem. */
const SHOWN_PLACES = 5

const README_LINES = { least: 5, most: 40 }

/** An import of a package, on one line or at the end of several. */
const PACKAGE = /^(?:(?:import|export)\b[^'\n]*\bfrom|import|\} from) '([^.'\n][^'\n]*)'/gm

/** Biome writes imports with single quotes, so no other form is matched. */
const IMPORT = /\b(?:from|import)\s*\(?\s*'(\.{1,2}\/[^'\n]+)'/g

/** Checks a source tree. @param src the folder `src` */
export function checkSourceTree(src: string, rules: TreeRules): TreeReport {
  const files = readSources(src)
  const report: OpenReport = { problems: [], allowed: [], warnings: [] }
  checkImports(files, rules, report)
  for (const apart of rules.apart ?? []) checkApart(files, apart, report)
  checkReadmes(src, rules, report)
  checkComments(files, rules, report)
  checkLengths(files, rules, report)
  return report
}

type OpenReport = Record<keyof TreeReport, string[]>

function readSources(src: string): SourceFile[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => /\.tsx?$/.test(path))
    .sort()
    .map((path) => {
      const text = readFileSync(`${src}/${path}`, 'utf8')
      const packages = [...text.matchAll(PACKAGE)].map((found) => found[1] ?? '')
      return { path, lines: text.split('\n'), imports: findImports(path, text), packages }
    })
}

function findImports(path: string, text: string): Import[] {
  return [...text.matchAll(IMPORT)].map((found) => ({
    path: posix.join(posix.dirname(path), (found[1] as string).replace(/\.js$/, '.ts')),
    line: text.slice(0, found.index).split('\n').length,
  }))
}

function checkImports(files: readonly SourceFile[], rules: TreeRules, report: OpenReport): void {
  const rank = new Map(rules.layers.flatMap((layer, i) => layer.map((folder) => [folder, i] as const)))
  for (const folder of new Set(files.map(({ path }) => folderOf(path)))) {
    if (!rank.has(folder))
      report.problems.push(`src/${folder} is in no layer: add it to LAYERS in scripts/layers.ts`)
  }
  const unused = new Set(rules.allowedImports)
  const sound: Crossing[] = []
  for (const crossing of findCrossings(files)) {
    const entry = `${crossing.file.path} -> ${crossing.target.path}`
    const isUpward = (rank.get(crossing.from) ?? 0) < (rank.get(crossing.to) ?? 0)
    if (rules.allowedImports.includes(entry)) {
      unused.delete(entry)
      report.allowed.push(describe(crossing))
    } else if (crossing.to === '..') {
      report.problems.push(`${describe(crossing)}: src imports nothing from outside of src`)
    } else if (isUpward) report.problems.push(explainUpward(crossing))
    else sound.push(crossing)
  }
  const cycle = findCycle(sound)
  if (cycle !== null) report.problems.push(explainCycle(cycle))
  for (const entry of unused)
    report.problems.push(`"${entry}" is gone: remove it from ALLOWED_IMPORTS in scripts/layers.ts`)
}

function checkApart(files: readonly SourceFile[], apart: FolderApart, report: OpenReport): void {
  const isIn = (path: string): boolean => path.startsWith(`${apart.folder}/`)
  for (const { path, imports, packages } of files) {
    const [name] = packages.filter((each) => isIn(path) && !apart.packages.includes(each))
    if (name !== undefined)
      report.problems.push(
        `src/${path} imports ${name}: ${apart.folder} has ${apart.packages.join(', ')} alone`,
      )
    for (const target of imports) {
      const isFine = isIn(path) ? isIn(target.path) || apart.files.includes(target.path) : !isIn(target.path)
      if (isFine) continue
      const why = isIn(path)
        ? `it runs elsewhere, with ${apart.files.join(', ')} alone`
        : 'its code runs elsewhere'
      report.problems.push(`src/${path}:${target.line} imports src/${target.path}: ${why}`)
    }
  }
}

function findCrossings(files: readonly SourceFile[]): Crossing[] {
  return files.flatMap((file) => {
    const from = folderOf(file.path)
    return file.imports
      .map((target) => ({ from, to: folderOf(target.path), file, target }))
      .filter(({ to }) => to !== from)
  })
}

/** The folder under `src` that a file belongs to; for a file directly in `src`, its own name. */
function folderOf(path: string): string {
  return path.split('/', 1)[0] as string
}

/** @returns one import for each step around a cycle of folders; null if there is no cycle */
function findCycle(crossings: readonly Crossing[]): readonly Crossing[] | null {
  const steps = new Map<string, Map<string, Crossing>>()
  for (const crossing of crossings) {
    const known = steps.get(crossing.from) ?? new Map<string, Crossing>()
    if (!known.has(crossing.to)) known.set(crossing.to, crossing)
    steps.set(crossing.from, known)
  }
  const done = new Set<string>()
  const way: Crossing[] = []
  const visit = (folder: string): readonly Crossing[] | null => {
    const seenAt = way.findIndex(({ from }) => from === folder)
    if (seenAt !== -1) return way.slice(seenAt)
    if (done.has(folder)) return null
    for (const crossing of steps.get(folder)?.values() ?? []) {
      way.push(crossing)
      const cycle = visit(crossing.to)
      if (cycle !== null) return cycle
      way.pop()
    }
    done.add(folder)
    return null
  }
  for (const folder of steps.keys()) {
    const cycle = visit(folder)
    if (cycle !== null) return cycle
  }
  return null
}

function describe({ file, target }: Crossing): string {
  return `src/${file.path}:${target.line} imports ${posix.join('src', target.path)}`
}

function explainUpward(crossing: Crossing): string {
  const { from, to } = crossing
  return (
    `${describe(crossing)}: ${to} is in a layer above ${from}. ` +
    `Move what it needs to ${from} or lower, or have a layer above both pass it in`
  )
}

function explainCycle(cycle: readonly Crossing[]): string {
  const folders = [...cycle.map(({ from }) => from), cycle[0]?.from].join(' -> ')
  return `folders import each other, ${folders}. Remove one of these: ${cycle.map(describe).join('; ')}`
}

function checkReadmes(src: string, { allowedReadmes }: TreeRules, report: OpenReport): void {
  const { least, most } = README_LINES
  for (const entry of readdirSync(src, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    const lines = countReadmeLines(`${src}/${entry.name}/README.md`)
    const problem =
      lines === null
        ? `src/${entry.name} has no README.md: say what the folder is for, in ${least} to ${most} lines`
        : lines < least || lines > most
          ? `src/${entry.name}/README.md has ${lines} lines: it should have ${least} to ${most}`
          : null
    add(report, problem, allowedReadmes, entry.name, 'ALLOWED_READMES')
  }
}

/** Counts the lines of prose. Tables, examples and generated parts may be long. */
function countReadmeLines(path: string): number | null {
  try {
    const text = readFileSync(path, 'utf8')
      .replace(/<!-- generated[\s\S]*?<!-- end[\s\S]*?-->/g, '')
      .replace(/^```[\s\S]*?^```$/gm, '')
    return text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('|')).length
  } catch {
    return null
  }
}

function checkComments(
  files: readonly SourceFile[],
  { allowedComments }: TreeRules,
  report: OpenReport,
): void {
  const byFolder = new Map<string, string[]>()
  for (const { path, lines } of files) {
    const folder = folderOf(path)
    const long = byFolder.get(folder) ?? []
    byFolder.set(folder, long)
    lines.forEach((line, i) => {
      if (line.length > COMMENT_COLUMNS && /^\s*(?:\/\/|\/?\*)/.test(line)) long.push(`src/${path}:${i + 1}`)
    })
  }
  for (const [folder, places] of byFolder) {
    const problem =
      places.length === 0
        ? null
        : `src/${folder} has ${places.length} comment lines beyond ${COMMENT_COLUMNS} columns: wrap them ` +
          `(${places.slice(0, SHOWN_PLACES).join(', ')}${places.length > SHOWN_PLACES ? ', ...' : ''})`
    add(report, problem, allowedComments, folder, 'ALLOWED_COMMENTS')
  }
}

function checkLengths(files: readonly SourceFile[], { allowedFiles }: TreeRules, report: OpenReport): void {
  for (const { path, lines } of files) {
    const count = lines.length - 1
    const problem =
      count <= FILE_LINES ? null : `src/${path} has ${count} lines: split it by noun, at most ${FILE_LINES}`
    add(report, problem, allowedFiles, path, 'ALLOWED_FILES')
  }
}

/** @param problem null if there is none */
function add(
  report: OpenReport,
  problem: string | null,
  allowed: readonly string[],
  entry: string,
  list: string,
): void {
  if (!allowed.includes(entry)) {
    if (problem !== null) report.problems.push(problem)
  } else if (problem !== null) report.allowed.push(problem)
  else report.warnings.push(`"${entry}" is no longer needed in ${list} in scripts/layers.ts: remove it`)
}
