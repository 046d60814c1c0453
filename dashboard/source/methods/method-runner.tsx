/** Calls and casts one method: a form, and the answer beside it. */
interface MethodRunnerProps {
  service: string
  method: string
}

export function MethodRunner({ service, method }: MethodRunnerProps) {
  return (
    <p>
      {service}.{method}
    </p>
  )
}
