/** Who uses the page, and what the token of the session may do. */
import { signal } from '@preact/signals'
import type { Me } from '../../../routes/schemas/me.ts'
import type { Scope } from '../../../src/auth/access.ts'
import { get, request, whenSignedOut } from '../api/request.ts'

/** `undefined`: not known yet. `null`: the server asks for a token. */
export const me = signal<Me | null | undefined>(undefined)

whenSignedOut(() => {
  me.value = null
})

/** @throws ApiError, but for 401 */
export async function loadMe(): Promise<void> {
  me.value = await get<Me>('/v1/me').catch((error: { problem?: { status: number } }) => {
    if (error.problem?.status === 401) return null
    throw error
  })
}

/** @throws ApiError */
export async function signIn(token: string): Promise<void> {
  me.value = await request<Me>('POST', '/v1/session', { json: { token } })
}

export async function signOut(): Promise<void> {
  await request('DELETE', '/v1/session')
  me.value = null
}

/** Why the session may not do it, or `undefined`: for buttons that are disabled, and keys that do nothing. */
export function whyRefused(scope: Scope, service?: string): string | undefined {
  return may(scope, service) ? undefined : `Needs the scope ${scope}${service === undefined ? '' : `:${service}`}`
}

/** May the session do it? Without a service: for all services. The server decides; this only disables buttons. */
export function may(scope: Scope, service?: string): boolean {
  return (me.value?.scopes ?? []).some((given) => {
    const [name = '', target] = given.split(':')
    if (name !== scope && name !== 'admin') return false
    if (target === undefined) return true
    if (service === undefined) return false
    return target.endsWith('*') ? service.startsWith(target.slice(0, -1)) : service === target
  })
}
