/** Exports no service. */
export const nothing = 1
