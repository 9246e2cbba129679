import { Child, programOf } from './child.js'
import type { Placement } from './machine.js'
import type { DriverMessage, JobName, Jobs, Mark } from './wire/jobs.js'

/** The clients' process, seen from the command: one job at a time. */
export class Driver {
  readonly child: Child
  /** Resolves when it listens for jobs, or has ended. A job that is sent earlier would be lost. */
  private readonly ready: Promise<void>

  constructor(placement: Placement) {
    this.child = Child.node(programOf('wire/driver.js'), [], { core: placement.others })
    this.ready = new Promise((resolve) => {
      this.child.process.once('message', () => resolve()).once('exit', () => resolve())
    })
  }

  /** @param onMark called when the job reaches a mark; the job does not wait for it */
  async run<Name extends JobName>(
    job: Name,
    ask: Jobs[Name]['ask'],
    onMark?: (mark: Mark) => void,
  ): Promise<Jobs[Name]['answer']> {
    await this.ready
    const { process: child } = this.child
    return new Promise((resolve, reject) => {
      // A child that ended between two jobs sends no further message.
      if (this.child.ended) {
        reject(new Error(`the driver of the bench ended: ${this.child.lastWords}`))
        return
      }
      const finish = (): void => {
        child.removeListener('message', onMessage)
        child.removeListener('exit', die)
      }
      const onMessage = (message: DriverMessage): void => {
        if ('mark' in message) {
          onMark?.(message.mark)
          return
        }
        finish()
        if ('answer' in message) resolve(message.answer)
        else reject(new Error(message.problem))
      }
      const die = (): void => {
        finish()
        reject(new Error(`the driver of the bench ended: ${this.child.lastWords}`))
      }
      child.on('message', onMessage)
      child.on('exit', die)
      child.send({ job, ask })
    })
  }

  /** Lets a job that holds streams continue. */
  release(): void {
    this.child.process.send('release')
  }
}
