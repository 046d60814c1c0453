/**
 * The services at the start of the server: those of the modules folder, and those that were registered. What cannot be used
 * stops no start: it is logged, and shown as a service that does not start, so that clients can replace or delete it.
 */
import { NAME_PATTERN } from '../contract/options.ts'
import type { SupervisedService } from '../services/supervised-service.ts'
import type { ServiceRegistration } from '../services/version.ts'
import { DECLARED_FILE } from './declared-services.ts'
import type { Registry } from './registry.ts'

/** Each is a write of the whole file: not all of them at every start. */
const FORGOTTEN_PER_START = 100

/** Adds the services to the registry. None is started yet. */
export async function restoreServices(registry: Registry): Promise<void> {
  const { modules, registrations, log } = registry.options
  const found = await modules.services(log)
  for (const [name, { module, deleted }] of registrations.entries()) {
    if (!NAME_PATTERN.test(name)) log.error({ service: name }, 'a registration is left out: its name cannot be one')
    else if (deleted && found.delete(name))
      log.info({ service: name }, 'no service: it was deleted over HTTP; PUT it again')
    else if (module !== undefined) {
      if (modules.declared.has(name))
        log.info({ service: name }, `registered over HTTP: what ${DECLARED_FILE} says of it is not used`)
      found.set(name, module)
    } else if (registrations.damageOf(name) !== undefined && !found.has(name)) found.set(name, '')
  }
  await Promise.all([...found].map(([name, module]) => restoreService(registry, name, module)))
  void forgetDeleted(registry)
}

/** Adds a service as it is registered. If it cannot be used here, it has failed, and says why. */
export async function restoreService(registry: Registry, name: string, module: string): Promise<SupervisedService> {
  const { modules, registrations, log } = registry.options
  const { options = {} } = registrations.get(name) ?? {}
  const declared = registry.declaredOptions(name)
  let registration: ServiceRegistration
  try {
    const damage = registrations.damageOf(name)
    if (damage !== undefined) throw damage
    registration = await registry.registration(module, options, declared)
  } catch (error) {
    const refusal = error as Error
    const moduleUrl = modules.urlOf(module)
    registration = { module, moduleUrl, declared, overrides: options, description: undefined, refusal }
    log.error({ err: error, service: name, module }, 'a registered service cannot be restored')
  }
  const service = registry.create(name, registration)
  registry.add(service)
  return service
}

/** A service that was deleted need not be remembered when its file is gone. */
async function forgetDeleted(registry: Registry): Promise<void> {
  const { registrations, modules, log } = registry.options
  const deleted = registrations.entries().filter(([name, known]) => known.deleted && !modules.hasService(name))
  try {
    for (const [name] of deleted.slice(0, FORGOTTEN_PER_START)) {
      if (registry.closing) return
      await registrations.update(name, (known) => (known?.deleted ? undefined : known))
    }
  } catch (error) {
    log.warn({ err: error }, 'registrations of deleted services could not be forgotten')
  }
}
