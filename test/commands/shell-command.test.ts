import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ShellCommand } from '../../src/commands/shell-command.js'
import { until } from '../support/until.js'

interface Place {
  folder: string
  said: string[]
  commands: ShellCommand[]
}

const test = suite<Place>('shell command')

test.before.each((place) => {
  place.folder = mkdtempSync(join(tmpdir(), 'thinwire-shell-'))
  place.said = []
  place.commands = []
})

test.after.each(async (place) => {
  for (const command of place.commands) await command.close()
  rmSync(place.folder, { recursive: true, force: true })
})

function create(
  place: Place,
  text: string,
  options: { timeoutMs?: number; retryMs?: number } = {},
): ShellCommand {
  const command = new ShellCommand(text, { say: (line) => place.said.push(line), ...options })
  place.commands.push(command)
  return command
}

/** Lines of a file that a command appends to. */
function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []
}

test('a command is run by the shell, with its quotes and pipes', async (place) => {
  const file = join(place.folder, "it's here")
  const command = create(place, `printf 'a b\\n' | tr a-z A-Z > '${file.replaceAll("'", "'\\''")}'`)
  command.request()
  assert.is(await command.finish(), null)
  assert.equal(linesOf(file), ['A B'])
  assert.equal(place.said, [])
})

test('changes during a run lead to one more run, and never to two at once', async (place) => {
  const [log, go] = [join(place.folder, 'log'), join(place.folder, 'go')]
  const command = create(
    place,
    `echo begin >> ${log}; until [ -e ${go} ]; do sleep 0.01; done; echo end >> ${log}`,
  )
  command.request()
  await until(() => linesOf(log).length === 1, 'the first run')
  for (let i = 0; i < 5; i++) command.request()
  writeFileSync(go, '')
  await command.finish()
  assert.equal(linesOf(log), ['begin', 'end', 'begin', 'end'])
})

test('a command that fails is named once, and run again until it works', async (place) => {
  const log = join(place.folder, 'log')
  const command = create(place, `echo x >> ${log}; [ $(wc -l < ${log}) -gt 3 ]`, { retryMs: 5 })
  command.request()
  await until(() => place.said.length === 2, 'the end of failures')
  assert.match(place.said[0] ?? '', /^--then: it has ended with exit code 1; it is run again every /)
  assert.is(place.said[1], '--then: it works again')
  assert.is(linesOf(log).length, 4)
})

test('a command that is not there is a failure, as the shell says it', async (place) => {
  const command = create(place, 'thinwire-no-such-command 2> /dev/null')
  command.request()
  assert.is(await command.finish(), 'it has ended with exit code 127')
})

test('a command that hangs is killed with all that it has started, and run again', async (place) => {
  const pids = join(place.folder, 'pids')
  const command = create(place, `sleep 600 & echo $! >> ${pids}; trap '' TERM; wait; wait; sleep 600`, {
    timeoutMs: 50,
    retryMs: 600_000,
  })
  command.request()
  assert.match((await command.finish()) ?? '', /^it has not ended within 0\.05 s, and was killed$/)
  const pid = Number(linesOf(pids)[0])
  await until(() => !isRunning(pid), 'its child to be gone')
})

test('the end waits for the run that goes on, and starts no further one', async (place) => {
  const log = join(place.folder, 'log')
  const command = create(place, `sleep 0.1; echo end >> ${log}; exit 1`, { retryMs: 1 })
  command.request()
  command.request()
  await command.close()
  assert.equal(linesOf(log), ['end'])
  command.request()
  assert.is(await command.finish(), 'it has ended with exit code 1')
  assert.equal(linesOf(log), ['end'])
})

/** A process that has ended and that nobody has waited for counts as ended. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

test.run()
