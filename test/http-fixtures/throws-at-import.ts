/** Throws at import. */
throw new TypeError('the import went wrong')
export {}
