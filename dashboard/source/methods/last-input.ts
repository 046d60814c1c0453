/** The last input of each method, as long as the tab is open. */

/** Longer inputs are forgotten: the browser keeps some megabytes of all. */
const MAX_CHARS = 256 * 1024

const keyOf = (service: string, method: string) => `input ${service}.${method}`

export function lastInput(service: string, method: string): { value: unknown } | undefined {
  try {
    const text = sessionStorage.getItem(keyOf(service, method))
    return text === null ? undefined : { value: JSON.parse(text) as unknown }
  } catch {
    // Storage may be forbidden.
    return undefined
  }
}

export function keepInput(service: string, method: string, value: unknown): void {
  try {
    const text = JSON.stringify(value) as string | undefined
    if (text === undefined || text.length > MAX_CHARS) sessionStorage.removeItem(keyOf(service, method))
    else sessionStorage.setItem(keyOf(service, method), text)
  } catch {
    // Full or forbidden: then nothing is kept.
  }
}
