/** Loops for ever at import. */
for (;;);
export {}
