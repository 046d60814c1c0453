/** `stream()`: a schema for a method that returns a stream of items. Its handler is an `async function*`. */
import { z } from 'zod'

const STREAM = Symbol.for('threadplane.stream')

/** A schema of an async iterable, for the `output` of a method. @param item the schema of each item */
export function stream<Item extends z.ZodType>(
  item: Item,
): z.ZodCustom<AsyncIterable<z.output<Item>>, AsyncIterable<z.input<Item>>> {
  const mark = { [STREAM]: item }
  const schema = z.custom(isAsyncIterable, { ...mark, error: 'Invalid output: expected an async iterable' })
  return schema as z.ZodCustom<AsyncIterable<z.output<Item>>, AsyncIterable<z.input<Item>>>
}

/** The schema of the items, or `undefined` if the schema is not one of a stream. */
export function itemOf(schema: z.ZodType | undefined): z.ZodType | undefined {
  return (schema?._zod.def as { [STREAM]?: z.ZodType } | undefined)?.[STREAM]
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}
