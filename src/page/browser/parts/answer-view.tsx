import type { ComponentChildren } from 'preact'
import type { Answer } from '../asking.js'

interface AnswerViewProps<T> {
  readonly answer: Answer<T>
  readonly children: (data: T) => ComponentChildren
  /** Height that is kept free until there are data, in lines of a table. */
  readonly lines?: number
}

/** Shows the data of an endpoint; until they are there, their place; and its error as text, beside the last data. */
export function AnswerView<T>({ answer, children, lines = 8 }: AnswerViewProps<T>) {
  const { data, problem, isOld } = answer
  return (
    <div class={isOld && data !== null ? 'answer old' : 'answer'} aria-busy={isOld}>
      {problem !== null && (
        <p class="problem" role="alert">
          {problem} {data !== null && 'What is shown is from before.'}
        </p>
      )}
      {data !== null ? children(data) : problem === null && <Waiting lines={lines} />}
    </div>
  )
}

function Waiting({ lines }: { readonly lines: number }) {
  return (
    <div class="card waiting">
      <p class="unseen">Loading</p>
      {Array.from({ length: lines }, (_, i) => (
        <div key={i} class="line" />
      ))}
    </div>
  )
}
