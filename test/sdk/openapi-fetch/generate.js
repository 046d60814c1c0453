/**
 * Writes the types of the document. Without these options, openapi-typescript calls bytes a string, and requires each member
 * of a request that has a default.
 */
import { writeFile } from 'node:fs/promises'
import openapiTS, { astToString } from 'openapi-typescript'
import ts from 'typescript'

const blob = ts.factory.createTypeReferenceNode('Blob')
const document = new URL('generated/openapi.json', import.meta.url)
const types = await openapiTS(document, {
  defaultNonNullable: false,
  transform: ({ format }) => (format === 'binary' ? blob : undefined),
})
await writeFile(new URL('generated/schema.ts', import.meta.url), astToString(types))
