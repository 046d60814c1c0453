/** Reads the text of `/metrics` strictly: each sample belongs to the family before it, and each family stands once. */

export interface Family {
  name: string
  type: string
}

export class Scrape {
  readonly families = new Map<string, Family>()
  /** `name{labels}` → value. */
  readonly samples = new Map<string, number>()

  constructor(text: string) {
    let family: Family | undefined
    for (const line of text.trimEnd().split('\n')) {
      const [, name, type] = /^# TYPE (\w+) (counter|gauge|histogram|summary)$/.exec(line) ?? []
      if (name !== undefined && type !== undefined) {
        if (this.families.has(name)) throw new Error(`the family ${name} stands twice`)
        family = { name, type }
        this.families.set(name, family)
      } else if (!line.startsWith('#')) this.#sample(line, family)
    }
  }

  #sample(line: string, family: Family | undefined): void {
    const [, series, name, value] = /^((\w+)(?:\{(?:\w+="(?:[^"\\]|\\["\\n])*",?)+\})?) (\S+)$/.exec(line) ?? []
    if (series === undefined || name === undefined) throw new Error(`not a sample: ${line}`)
    if (family === undefined || !name.startsWith(family.name)) throw new Error(`in another family: ${line}`)
    if (this.samples.has(series)) throw new Error(`the series stands twice: ${line}`)
    this.samples.set(series, value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value))
  }

  /** The value of a series, written as in the text; `undefined` if there is none. */
  get(series: string): number | undefined {
    return this.samples.get(series)
  }

  /** The series whose text contains all of these parts. */
  find(...parts: string[]): string[] {
    return [...this.samples.keys()].filter((series) => parts.every((part) => series.includes(part)))
  }
}
