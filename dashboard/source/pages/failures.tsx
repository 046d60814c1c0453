export function FailuresPage() {
  return <h1>Failures</h1>
}
