/** A CPU profile as the server sends it (`.cpuprofile`), drawn as an icicle. */
export interface CpuProfile {
  nodes: unknown[]
  [field: string]: unknown
}

export function ProfileView({ profile }: { profile: CpuProfile }) {
  return <p>{profile.nodes.length} nodes</p>
}
