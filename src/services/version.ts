/** A version of a service: its module, the options it was registered with, and what the module says of itself. */
import type { ServiceDescription } from '../contract/description.ts'
import {
  mergeOptions,
  type RegistrationOptions,
  type ResolvedServiceOptions,
  resolveServiceOptions,
} from '../contract/options.ts'
import type { ModuleContract } from './module-contract.ts'

/** What a service is registered with. */
export interface ServiceRegistration {
  /** Relative to the folder of service modules. */
  module: string
  /** `file:` URL of it. */
  moduleUrl: string
  /** What `threadplane.json` says: it overrides the options of the module, and `overrides` override it. */
  declared?: RegistrationOptions | undefined
  overrides: RegistrationOptions
  /** Of the content of the module's file, when it was registered; `undefined`: it could not be read. */
  hash?: string | undefined
  /** If it is known already; otherwise the module is asked. */
  description: ServiceDescription | undefined
  /** Why the service cannot start: its stored registration, or its module, cannot be used. */
  refusal?: Error
}

export interface Version extends Omit<ServiceRegistration, 'description' | 'refusal'> {
  contract: ModuleContract
}

/** What overrides the options of the module. */
export function givenOptions({ declared = {}, overrides }: Version): RegistrationOptions {
  return mergeOptions(declared, overrides)
}

/** Options that were given win over those of the module, and these over the defaults. */
export function optionsOf(version: Version): ResolvedServiceOptions {
  return resolveServiceOptions(version.contract.description?.options ?? {}, givenOptions(version))
}
