import { posix } from 'node:path'

/** Packages that open nothing, start nothing and change nothing outside of themselves. All others are not pure. */
const PURE_PACKAGES = new Set([
  'eventsource-parser',
  'fast-check',
  'lru-cache',
  'node:buffer',
  'node:crypto',
  'node:events',
  'node:path',
  'node:perf_hooks',
  'node:stream',
  'node:url',
  'node:util',
  'node:zlib',
  'prom-client',
  'uvu',
  'uvu/assert',
  'zod',
])

/** What is imported. `Buffer.from('x')` is no import. */
const IMPORT = /(?<![.\w])(?:from\s*|import\s*\(?\s*)(['"])([^'"\n]+)\1/g

const IMPURE = [
  // What is imported would be known only when it runs.
  /\bimport\s*\(\s*[^'"\s]/,
  /\brequire\b/,
  // The process itself, but for the two uses that do not disturb anybody: the seed of random tests, and its report.
  /\bprocess\b(?!\.env\.TEST_SEED\b|\.on\('exit'|\.stderr\b)/,
  /\b(?:global|globalThis|eval|Worker|WebSocket)\b/,
  /\bfetch\(/,
  /\bset(?:Timeout|Interval|Immediate)\b/,
  // Something that others see is replaced.
  /\.prototype\b|\.__proto__\b|\bdefinePropert(?:y|ies)\b|\bsetPrototypeOf\b|\bReflect\b/,
  /\bObject\.assign\(\s*[A-Zp]/,
  /\b(?:[A-Z]+[a-z]\w*|JSON|console|crypto|performance|process)(?:\.\w+)+\s*(?:[-+*/|&?]{0,2}=(?![=>])|\+\+|--)/,
]

/** Lines that hold a comment and nothing else. */
const COMMENT_LINES = /^\s*(?:\/\/|\/\*\*|\*\/|\*(?=\s)).*$/gm

/**
 * Whether a built test file can run in one process with others: neither it nor anything that it imports, however far
 * away, opens sockets or files, starts processes or timers, or changes what others see. In doubt it is not pure, which
 * costs nothing but a process.
 * @param file its path
 * @param read the text of a built file; null if there is none
 */
export function isPure(file: string, read: (path: string) => string | null): boolean {
  const files = new Set([file])
  // A set gives what is added to it on the way, too.
  for (const path of files) {
    const text = read(path)?.replace(COMMENT_LINES, '')
    if (text === undefined || IMPURE.some((pattern) => pattern.test(text))) return false
    for (const [, , name = ''] of text.matchAll(IMPORT)) {
      if (name.startsWith('.')) files.add(posix.join(posix.dirname(path), name))
      else if (!PURE_PACKAGES.has(name)) return false
    }
  }
  return true
}
