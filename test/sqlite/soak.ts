/** Soak tests have two forms: a short one that proves the mechanism once, and a long one with `THREADPLANE_SOAK=1`. */
export const isSoak = process.env.THREADPLANE_SOAK === '1'
