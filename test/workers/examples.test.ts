/** Each bundled method takes the example that the OpenAPI document shows for it: who tries it out sends nothing else. */
import { readFile } from 'node:fs/promises'
import t from 'tap'
import digest from '../../workers/digest.ts'
import markdown from '../../workers/markdown.ts'
import primes from '../../workers/primes.ts'
import { runMethod } from './run-method.ts'

interface Input {
  properties: Record<string, { examples?: unknown[]; enum?: unknown[]; default?: unknown }>
}

const { components } = JSON.parse(await readFile('openapi/openapi.json', 'utf8')) as {
  components: { schemas: Record<string, Input> }
}
const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

for (const [service, { methods }] of Object.entries({ digest, markdown, primes })) {
  for (const [name, method] of Object.entries(methods)) {
    t.test(`${service}.${name}`, async (t) => {
      const { properties = {} } = components.schemas[`${capital(service)}${capital(name)}Input`] ?? {}
      const payload = Object.fromEntries(
        Object.entries(properties).map(([key, one]) => [key, one.examples?.[0] ?? one.default ?? one.enum?.[0]]),
      )
      t.not(Object.keys(payload).length, 0)
      const result = await runMethod(method as Parameters<typeof runMethod>[0], payload as never)
      t.notMatch(result, { valid: false })
    })
  }
}
