export function ServicePage({ name }: { name: string }) {
  return <h1>{name}</h1>
}
