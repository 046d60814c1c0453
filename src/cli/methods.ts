/** The methods of a service, and what a person may have meant who named another one. */
import type { MethodView } from '../../routes/schemas/service.ts'
import { CliError, EXIT } from './exit-codes.ts'
import type { Answer } from './output/printer.ts'
import { route, type Session } from './session.ts'

/** @param wanted must be one of them @throws CliError if it is not; PlaneError */
export async function methodsOf(
  session: Session,
  service: string,
  wanted?: string,
): Promise<Answer<{ items: MethodView[] }>> {
  const answer = await session.get<{ items: MethodView[] }>(route`/v1/services/${service}/methods`)
  const names = answer.body.items.map(({ name }) => name)
  if (wanted === undefined || names.includes(wanted)) return answer
  const meant = nearest(wanted, names)
  throw new CliError(EXIT.notFound, `${service} has no method ${wanted} (METHOD_NOT_FOUND)${meant}`)
}

/** `; did you mean count?`, or nothing if no name is near. */
export function nearest(wanted: string, names: readonly string[]): string {
  const most = Math.max(Math.floor(wanted.length / 3), 1)
  const [best] = names
    .map((name) => ({ name, distance: editDistance(wanted.toLowerCase(), name.toLowerCase()) }))
    .filter(({ distance }) => distance <= most)
    .sort((a, b) => a.distance - b.distance)
  if (best !== undefined) return `; did you mean ${best.name}?`
  return names.length === 0 || names.length > 12 ? '' : `; there are: ${names.join(', ')}`
}

/** How many characters must be added, removed, replaced, or swapped with their neighbour. Source: optimal string alignment. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, at) => at)]
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const above = rows[i - 1] as number[]
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      row[j] = Math.min((above[j] as number) + 1, (row[j - 1] as number) + 1, (above[j - 1] as number) + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j] as number, (rows[i - 2]?.[j - 2] as number) + 1)
      }
    }
    rows.push(row)
  }
  return rows[a.length]?.[b.length] as number
}
