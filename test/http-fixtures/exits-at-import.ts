/** Ends its thread at import. */
process.exit(7)
export {}
