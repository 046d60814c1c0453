/** The environment that a service sees. */

/** @param names of the variables; `undefined`: all. One that is not set is left out. */
export function environmentOf(names: readonly string[] | undefined): NodeJS.ProcessEnv {
  if (names === undefined) return process.env
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}
