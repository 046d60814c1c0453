/**
 * The flags of Node that a service's process inherits, as a thread would. Not those that mean this process alone: the
 * port of its debugger, its own program text or test run, and heap sizes, which would override a service's `limits`.
 */
const NOT_INHERITED =
  /^(?:--(?:inspect|debug|watch|test|eval|print|check|interactive|input-type|run|max-old-space-size|max-semi-space-size|max-heap-size|heap)|-[epic]+$)/

/** @param flags as in `process.execArgv` */
export function childFlags(flags: readonly string[]): string[] {
  const inherited: string[] = []
  let dropped = false
  for (const flag of flags) {
    // What does not begin with a dash is the value of the flag before it.
    if (flag.startsWith('-')) dropped = NOT_INHERITED.test(flag.replaceAll('_', '-'))
    if (!dropped) inherited.push(flag)
  }
  return inherited
}

/** @param options the environment variable NODE_OPTIONS, in which a value with spaces is quoted */
export function childNodeOptions(options = ''): string {
  return childFlags(options.match(/(?:[^\s"]|"(?:\\.|[^"\\])*")+/g) ?? []).join(' ')
}
