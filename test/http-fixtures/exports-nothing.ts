/** Has no default export. */
export const nothing = 1
