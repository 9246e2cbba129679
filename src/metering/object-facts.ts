import { isObject, type JsonObject } from '../json/values.js'

/** An id that can stand in a path as it is. */
const ID = /^[\w.:-]{1,200}$/

/** The object that a response is about, by the name under which the provider may keep it. */
export class ObjectFacts {
  /** Null if the response named none. */
  id: string | null
  /** Its kind in OpenAI's word (`object`): `response`, `thread.run`, `batch`; null if it was not told. */
  kind: string | null
  /** As it was reported last. */
  status: string | null
  /** Other objects that came with it: the thread of a run, the file of an upload. */
  related: string | null

  constructor() {
    this.id = null
    this.kind = null
    this.status = null
    this.related = null
  }

  /** Takes what an object of the response says of itself. Of a stream the first counts, and a run after its thread. */
  read(object: JsonObject): void {
    const { id, object: kind, status } = object
    if (typeof id !== 'string') return
    if (id !== this.id) {
      const isRun = kind === 'thread.run' && this.kind === 'thread'
      if ((this.id !== null && !isRun) || !ID.test(id)) return
      if (isRun) this.related = this.id
      this.id = id
    }
    if (typeof kind === 'string') this.kind = kind
    if (typeof status === 'string') this.status = status
    const related = isObject(object.file) ? object.file.id : object.thread_id
    if (typeof related === 'string' && ID.test(related)) this.related = related
  }
}
