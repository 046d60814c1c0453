/**
 * Where a text stops being JSON, and why. The messages of browsers name a place only sometimes, so this reads the text
 * itself. It is used after `JSON.parse` has refused a text. Pure.
 */

export interface SyntaxProblem {
  /** Count from 1. */
  line: number
  column: number
  message: string
}

/** Deeper texts are refused by the server too. */
const MAX_DEPTH = 1_000

/** `undefined`: the text is JSON. */
export function syntaxProblem(text: string): SyntaxProblem | undefined {
  const reader = new Reader(text)
  try {
    reader.whole()
    return undefined
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    const before = text.slice(0, error.at).split('\n')
    return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1, message: error.message }
  }
}

class Refused extends Error {
  readonly at: number

  constructor(at: number, message: string) {
    super(message)
    this.at = at
  }
}

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  whole(): void {
    this.#value(0)
    this.#space()
    if (this.#at < this.#text.length) this.#refuse('expected nothing more after the value')
  }

  #value(depth: number): void {
    if (depth > MAX_DEPTH) this.#refuse('it is nested too deeply')
    this.#space()
    const first = this.#text[this.#at]
    if (first === '{') this.#object(depth)
    else if (first === '[') this.#array(depth)
    else if (first === '"') this.#string()
    else if (!this.#match(/true|false|null/y)) this.#number()
  }

  #object(depth: number): void {
    this.#at++
    if (this.#takes('}')) return
    do {
      this.#space()
      if (this.#text[this.#at] !== '"') this.#refuse('expected a name in double quotes')
      this.#string()
      if (!this.#takes(':')) this.#refuse('expected : after the name')
      this.#value(depth + 1)
    } while (this.#takes(','))
    if (!this.#takes('}')) this.#refuse('expected , or }')
  }

  #array(depth: number): void {
    this.#at++
    if (this.#takes(']')) return
    do this.#value(depth + 1)
    while (this.#takes(','))
    if (!this.#takes(']')) this.#refuse('expected , or ]')
  }

  #string(): void {
    const from = this.#at
    // JSON allows no control characters in a text.
    this.#match(/"(?:[^"\\\p{Cc}]|[\u007f-\u009f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*/uy)
    const next = this.#text[this.#at]
    if (next === '"') this.#at++
    else if (next === undefined || next === '\n') this.#refuse('the text has no closing quote', from)
    else this.#refuse(next === '\\' ? 'there is no such escape' : 'a text may not contain this character')
  }

  #number(): void {
    if (this.#match(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y)) return
    this.#refuse(this.#at === this.#text.length ? 'expected a value' : 'expected a value: text is in double quotes')
  }

  #takes(character: string): boolean {
    this.#space()
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #space(): void {
    this.#match(/[ \t\r\n]+/y)
  }

  /** @param pattern sticky */
  #match(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at
    if (!pattern.test(this.#text)) return false
    this.#at = pattern.lastIndex
    return true
  }

  #refuse(message: string, at = this.#at): never {
    throw new Refused(at, message)
  }
}
