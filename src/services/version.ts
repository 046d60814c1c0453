/** A version of a service: its module, the options it was registered with, and what the module says of itself. */
import type { ServiceDescription } from '../contract/description.ts'
import { type ResolvedServiceOptions, resolveServiceOptions, type RegistrationOptions } from '../contract/options.ts'
import type { ModuleContract } from './module-contract.ts'

/** What a service is registered with. */
export interface ServiceRegistration {
  /** Relative to the folder of service modules. */
  module: string
  /** `file:` URL of it. */
  moduleUrl: string
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

/** Options of the registration win over those of the module, and these over the defaults. */
export function optionsOf({ overrides, contract }: Version): ResolvedServiceOptions {
  return resolveServiceOptions(contract.description?.options ?? {}, overrides)
}
