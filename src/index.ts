/** The package's public exports, and nothing else. */
export {
  defineService,
  type MethodContext,
  type MethodDefinition,
  method,
  type ServiceContext,
  type ServiceDefinition,
  type ServiceLogger,
  type ServiceSpec,
} from './thread/define-service.ts'
export { ERRORS, type ErrorCode, type PayloadIssue, ThreadplaneError } from './errors.ts'
