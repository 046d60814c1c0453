/** The task of Piscina and of tinypool. */
export default ({ a, b }: { a: number; b: number }) => ({ sum: a + b })
