/** Blocks the event loop for ever at import. */
for (;;);
export {}
