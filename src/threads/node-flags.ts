/**
 * The flags of Node that a service's process inherits, as a thread would. Flags that are meant for this process alone
 * are left out: debugger port, program text, test run, and heap sizes, which would override the `limits` of the
 * service.
 */
const NOT_INHERITED =
  /^(?:--(?:inspect|debug|watch|test|eval|print|check|interactive|input-type|run|max-old-space-size|max-semi-space-size|max-heap-size|heap)|-[epic]+$)/

/** @param flags as in `process.execArgv` */
export function childFlags(flags: readonly string[]): string[] {
  const inherited: string[] = []
  let dropped = false
  for (const flag of flags) {
    // An argument without a dash is the value of the flag before it.
    if (flag.startsWith('-')) dropped = NOT_INHERITED.test(flag.replaceAll('_', '-'))
    if (!dropped) inherited.push(flag)
  }
  return inherited
}

/** @param options the environment variable NODE_OPTIONS; a value with spaces is quoted there */
export function childNodeOptions(options = ''): string {
  return childFlags(options.match(/(?:[^\s"]|"(?:\\.|[^"\\])*")+/g) ?? []).join(' ')
}
