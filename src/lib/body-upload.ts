/** A body that is sent while it arrives. undici iterates it; our own client has it written. */
export interface BodyUpload extends AsyncIterableIterator<Buffer> {
  /** Has the body written, as it arrives. */
  sendTo(writer: BodyWriter): void
  /** The writer has room again. */
  readonly resume: () => void
  /** All of it has been written, as far as can be known. */
  readonly written: boolean
}

/** Writes such a body. */
export interface BodyWriter {
  /** @returns false if the next data has to wait for `resume` */
  write(data: Buffer): boolean
  /** The body ends here, complete or not. */
  end(): void
}
