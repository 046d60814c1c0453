/** Limits of a stream: how much of it may be in transit between the thread and its consumer (P5). */

/** The credit of a new stream, in bytes. */
export const WINDOW_BYTES = 256 * 1024
/** What an item costs beside the length of its JSON, in bytes. */
export const ITEM_OVERHEAD_BYTES = 64
/** What a cloned item costs, as its size is not known: 16 of them fill the window. */
export const CLONE_BYTES = WINDOW_BYTES / 16
