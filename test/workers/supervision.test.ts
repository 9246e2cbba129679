import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Death, Supervision } from '../../src/workers/supervision.js'

const test = suite('supervision')

/** Supervision with hands that write down what they do, and a clock that a test sets. */
class Scene {
  readonly did: string[] = []
  readonly supervision: Supervision
  now = 0

  constructor(count: number) {
    const add = (text: string): void => void this.did.push(text)
    this.supervision = new Supervision(count, {
      fork: (number) => add(`fork ${number}`),
      retire: (number) => add(`retire ${number}`),
      kill: (number) => add(`kill ${number}`),
      onStanding: () => {},
      onDeath: ({ number }: Death, waitMs) => add(`dead ${number} wait ${waitMs}`),
      onRestartStep: (replaced) => add(`new ${replaced}`),
      onRestartEnd: (problem) => add(problem === null ? 'restarted' : `restart failed: ${problem}`),
      giveUp: (message, exitCode) => add(`give up ${exitCode}: ${message}`),
      onAllEnded: () => add('all ended'),
    })
    this.supervision.start()
  }

  /** What was done since the last call. */
  take(): string[] {
    return this.did.splice(0)
  }

  /** Makes these workers ready. */
  ready(...numbers: number[]): void {
    for (const number of numbers) this.supervision.onReady(number)
  }

  die(number: number, how = 'signal SIGKILL'): void {
    this.supervision.onExit(number, how, this.now)
  }

  /** Lets seconds pass. */
  pass(seconds: number): void {
    for (let i = 0; i < seconds; i++) {
      this.now += 1_000
      this.supervision.tick(this.now)
    }
  }
}

/** All workers are ready. */
function createReady(count: number): Scene {
  const scene = new Scene(count)
  for (let number = 1; number <= count; number++) scene.ready(number)
  scene.take()
  return scene
}

test('starts as many workers as there are to be, and replaces one that dies by one of the same number', () => {
  const scene = new Scene(3)
  assert.equal(scene.take(), ['fork 1', 'fork 2', 'fork 3'])
  scene.ready(1, 2, 3)
  scene.die(2)
  assert.equal(scene.take(), ['dead 2 wait 0', 'fork 2'])
})

test('after three deaths in ten seconds, replacements wait 1 s, 2 s, and so on up to 30 s', () => {
  const scene = createReady(2)
  const waits: number[] = []
  for (let i = 0; i < 10; i++) {
    scene.die(1)
    const wait = Number(/wait (\d+)/.exec(scene.did.join())?.[1])
    waits.push(wait)
    const before = wait / 1_000 - 1
    if (wait > 0) {
      scene.take()
      scene.pass(before)
      assert.equal(scene.take(), [], `nothing is started before ${wait} ms have passed`)
      scene.pass(1)
    }
    assert.is(scene.take().at(-1), 'fork 1')
    scene.ready(1)
  }
  assert.equal(waits, [0, 0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
})

test('where nobody else serves, a replacement waits for 1 s at most', () => {
  const scene = createReady(2)
  for (let i = 0; i < 5; i++) {
    scene.die(1)
    scene.pass(4)
    scene.ready(1)
  }
  scene.die(1)
  assert.is(scene.take().at(-1), 'dead 1 wait 8000')
  scene.die(2)
  assert.equal(scene.take(), ['dead 2 wait 1000'])
  scene.pass(1)
  assert.equal(scene.take(), ['fork 1'])
  scene.pass(7)
  assert.equal(scene.take(), ['fork 2'])
})

test('after a minute without a death, the next worker that dies is replaced at once', () => {
  const scene = createReady(1)
  for (let i = 0; i < 4; i++) {
    scene.die(1)
    scene.pass(2)
    scene.ready(1)
  }
  scene.pass(61)
  scene.take()
  scene.die(1)
  assert.equal(scene.take(), ['dead 1 wait 0', 'fork 1'])
})

test('deaths that are far apart never make a replacement wait', () => {
  const scene = createReady(2)
  for (let i = 0; i < 20; i++) {
    scene.die(1)
    assert.equal(scene.take(), ['dead 1 wait 0', 'fork 1'])
    scene.ready(1)
    scene.pass(6)
  }
})

test('the first worker that says why it cannot start ends the relay, if no worker is ready', () => {
  const scene = new Scene(2)
  scene.take()
  scene.supervision.onFailed(2, 'the port is taken', 1)
  scene.die(2, 'exit code 1')
  assert.equal(scene.take(), ['kill 1', 'give up 1: the port is taken'])
  scene.die(1)
  assert.equal(scene.take(), ['all ended'])
})

test('a replacement that cannot start is tried again while another worker serves', () => {
  const scene = createReady(2)
  scene.die(1)
  scene.supervision.onFailed(1, 'a wrong setting', 2)
  scene.take()
  scene.die(1, 'exit code 2')
  assert.equal(scene.take(), ['dead 1 wait 0', 'fork 1'])
  scene.die(2)
  scene.take()
  scene.supervision.onFailed(1, 'a wrong setting', 2)
  scene.die(1, 'exit code 2')
  assert.equal(scene.take(), ['give up 2: a wrong setting'])
})

test('five workers that die without a word before any is ready end the relay', () => {
  const scene = new Scene(2)
  for (const number of [1, 2, 1, 2]) scene.die(number, 'exit code 9')
  assert.not.ok(scene.did.some((what) => what.startsWith('give up')))
  scene.pass(1)
  scene.take()
  scene.die(1, 'exit code 9')
  assert.equal(scene.take(), ['give up 1: the workers die before they are ready (exit code 9)'])
})

test('a worker that is not ready after a minute is killed once, and replaced', () => {
  const scene = new Scene(2)
  scene.ready(1)
  scene.take()
  scene.pass(59)
  assert.equal(scene.take(), [])
  scene.pass(10)
  assert.equal(scene.take(), ['kill 2'])
  scene.die(2)
  assert.equal(scene.take(), ['dead 2 wait 0', 'fork 2'])
})

test('a restart has one new worker ready before an old one retires, and no two workers have one number', () => {
  const scene = createReady(2)
  scene.supervision.beginRestart()
  assert.equal(scene.take(), ['fork 3'])
  scene.ready(3)
  assert.equal(scene.take(), ['retire 1', 'new 1', 'fork 4'])
  scene.die(1, 'exit code 0')
  assert.equal(scene.take(), [])
  scene.ready(4)
  assert.equal(scene.take(), ['retire 2', 'new 2', 'restarted'])
  scene.die(2, 'exit code 0')
  scene.supervision.beginRestart()
  assert.equal(scene.take(), ['fork 1'])
})

test('a new worker that cannot start ends the restart, and the old ones stay', () => {
  const scene = createReady(2)
  scene.supervision.beginRestart()
  scene.supervision.onFailed(3, 'a wrong setting', 2)
  scene.take()
  scene.die(3, 'exit code 2')
  assert.equal(scene.take(), ['restart failed: a wrong setting'])
  assert.is(scene.supervision.readyCount, 2)
  scene.supervision.beginRestart()
  scene.ready(3)
  scene.take()
  scene.die(4)
  assert.equal(scene.take(), ['restart failed: a new worker died before it was ready (signal SIGKILL)'])
  assert.is(scene.supervision.readyCount, 2)
})

test('an old worker that dies in a restart is replaced, and its replacement counts as new', () => {
  const scene = createReady(2)
  scene.supervision.beginRestart()
  scene.take()
  scene.die(2)
  assert.equal(scene.take(), ['dead 2 wait 0', 'fork 2'])
  scene.ready(2, 3)
  assert.equal(scene.take(), ['retire 1', 'new 1', 'restarted'])
  assert.is(scene.supervision.readyCount, 2)
})

test('a restart starts workers at once whose replacement waits', () => {
  const scene = createReady(2)
  for (let i = 0; i < 3; i++) {
    scene.die(1)
    if (i < 2) scene.ready(1)
  }
  assert.is(scene.take().at(-1), 'dead 1 wait 1000')
  scene.supervision.beginRestart()
  assert.equal(scene.take(), ['fork 1', 'fork 3'])
  scene.ready(1, 3)
  assert.equal(scene.take(), ['retire 2', 'new 1', 'restarted'])
})

test('a relay that leaves starts no worker, and ends with its last one', () => {
  const scene = createReady(2)
  scene.supervision.beginRestart()
  scene.take()
  assert.is(scene.supervision.leave(), false)
  for (const number of [1, 3, 2]) scene.die(number)
  scene.pass(60)
  assert.equal(scene.take(), ['all ended'])
  assert.is(new Scene(0).supervision.leave(), true)
})

test.run()
