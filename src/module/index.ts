/**
 * `threadplane/service`: all that a service module imports, and nothing more. Each thread of a service loads it, and the
 * package's main entry, which contains all of it, would load the other side of threads too: 45 files more.
 */
export { type BytesOptions, bytes } from './bytes.ts'
export { MethodProblem, type MethodProblemOptions } from './method-problem.ts'
export { stream } from './stream.ts'
export {
  type DefineMethod,
  defineService,
  type MethodContext,
  type MethodDefinition,
  method,
  type ServiceContext,
  type ServiceDefinition,
  type ServiceLogger,
  type ServiceSpec,
} from './define-service.ts'
