/** Reads no `traceparent`. */
export * from '../../../routes/shared/request-headers.ts'

export function traceparent(): undefined {}
