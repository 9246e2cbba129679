import { posix } from 'node:path'

/** What is imported. `Buffer.from('x')` is no import. */
const IMPORT = /(?<![.\w])(?:from\s*|import\s*\(?\s*)(['"])([^'"\n]+)\1/g

/** Packages that start something else than this process, or reach into its engine. */
const STARTERS =
  /^node:(?:child_process|cluster|diagnostics_channel|inspector|module|repl|trace_events|v8|vm|worker_threads)\b/

/** Drives a browser, which is a process. */
const DRIVER = 'playwright-core'

const ALONE = [
  // What is imported would be known only when it runs.
  /\bimport\s*\(\s*[^'"\s]/,
  /\brequire\b/,
  // The state of the process, and what is measured in it: the files before would be in the figure.
  /\bprocess\.(?:abort|chdir|exit|kill|umask|dlopen|set\w+|remove\w*Listeners?)\b/,
  /\bprocess\.(?:constrainedMemory|cpuUsage|getActiveResourcesInfo|memoryUsage|resourceUsage)\b/,
  /\b(?:WeakRef|FinalizationRegistry)\b|\bmonitorEventLoopDelay\b|\beventLoopUtilization\b|\/proc\/self\b/,
  // Listeners of the process, but for its end: the seed of random tests is shown then, and folders are removed.
  /\bprocess\.(?:on|once|addListener|prepend\w*Listener|emit)\b(?!\('exit')/,
  /\bprocess\.env(?:\.\w+|\[[^\]]*\])\s*=(?!=)|\bdelete process\.env\b|\bObject\.assign\(process\b/,
  /\bprocess\.exitCode\s*=(?!=)/,
  // Something that all share is replaced. What is assigned to a clock and given back is no harm: files run in turn.
  /\bglobal\.\w|\bglobalThis\b|\beval\(/,
  /\.prototype(?:\.\w+|\[[^\]]*\])\s*=(?!=)|\bsetPrototypeOf\b/,
  /\b(?:defineProperty|defineProperties)\((?:[A-Z]\w*|process|performance|console|crypto)\b/,
  /\bsyncBuiltinESMExports\b|\bsetGlobalDispatcher\b|\bsetFlagsFromString\b/,
]

/** It judges when bytes arrive: what the files before have left to collect would be in that. */
const JUDGE = 'src/doctor/'

/** What it does is for a whole run, by its environment: many.ts has done it before any file. */
const MODE = 'test/support/tls-mode.js'

/** Lines that hold a comment and nothing else. */
const COMMENT_LINES = /^\s*(?:\/\/|\/\*\*|\*\/|\*(?=\s)).*$/gm

/**
 * Whether a built test file can run in one process with others, one after another: neither it nor any code of tests,
 * benches and scripts that it imports starts processes, changes the process, or measures it. What it opens it has to
 * close: that is looked at when it has run (leftovers.ts). In doubt it is alone, which costs nothing but a process. The
 * relay's own code, in `src`, is not read: it is a library there, and does such things only when it is told to. Tests of
 * the doctor are alone, too.
 * @param file its path
 * @param read the text of a built file; null if there is none
 */
export function mayShare(file: string, read: (path: string) => string | null): boolean {
  const files = new Set([file])
  // A set gives what is added to it on the way, too.
  for (const path of files) {
    const text = read(path)?.replace(COMMENT_LINES, '')
    if (text === undefined || ALONE.some((pattern) => pattern.test(text))) return false
    for (const [, , name = ''] of text.matchAll(IMPORT)) {
      if (STARTERS.test(name) || name === DRIVER) return false
      const imported = posix.join(posix.dirname(path), name)
      if (imported.startsWith(JUDGE)) return false
      if (name.startsWith('.') && !imported.startsWith('src/') && imported !== MODE) files.add(imported)
    }
  }
  return true
}
