/** CHANGELOG.md at a release: what is under "Unreleased" goes under the version, with its date. */

const UNRELEASED = '## Unreleased\n'

/**
 * @param date such as `2026-11-29`
 * @throws Error if nothing is unreleased, or if the version is there already
 */
export function withVersion(changelog: string, version: string, date: string): string {
  const [before = '', after] = changelog.split(UNRELEASED)
  if (after === undefined) throw new Error('CHANGELOG.md has no heading "## Unreleased"')
  const changes = after.split(/^## /m)[0]?.trim()
  if (!changes) throw new Error('CHANGELOG.md says nothing under "## Unreleased"')
  if (after.split('\n').some((line) => line === `## ${version}` || line.startsWith(`## ${version} `))) {
    throw new Error(`CHANGELOG.md has a heading of ${version} already`)
  }
  return `${before}${UNRELEASED}\n## ${version} - ${date}\n${after}`
}
