/** What rules are matched against: of a request, or of its record in the ledger, with the same result. */
export interface LimitSubject {
  /** Id of the key; null in the modes without keys, as are its env, team and user. */
  readonly key: string | null
  readonly env: string | null
  readonly team: string | null
  readonly user: string | null
  /** By the name that the client sent; null if it named none. */
  readonly model: string | null
  /** As the ledger has it: `/v1/chat/completions`, `/cursor/v1/chat/completions`. */
  readonly route: string
  /** `project=a,ticket=b`; null for none. */
  readonly tags: string | null
}
