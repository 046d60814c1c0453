/** What the tests ask of each generated client. The module `sdk.ts` of each package does it with the code of its generator. */

export interface Picture {
  id: string
  width: number
  tags: string[]
}

/** An answer: `data` where it succeeded, else `problem`. */
export interface Answer<Data> {
  status: number
  data?: Data | undefined
  problem?: Problem | undefined
}

export interface Problem {
  code: string
  retryable: boolean
  reason?: string | undefined
  errors?: { pointer: string; message: string }[] | undefined
}

export interface Job<Result> {
  id: string
  state: string
  result?: Result | undefined
}

export interface Sdk {
  find(input: { id: string; withTags?: boolean }): Promise<Answer<Picture>>
  /** Sends no body. */
  list(): Promise<Answer<Picture[]>>
  invert(image: Blob): Promise<Answer<Blob>>
  words(caption: string): AsyncIterable<{ word: string }>
  castFind(id: string, idempotencyKey: string): Promise<Answer<Job<Picture>>>
  castRender(id: string): Promise<Answer<Job<{ url: string }>>>
  /** Waits up to `seconds` until the job has finished. */
  wait(id: string, seconds: number): Promise<Answer<Job<unknown>>>
  cancel(id: string): Promise<Answer<Job<unknown>>>
  stop(service: string): Promise<Answer<{ state: string; changed: boolean }>>
}
