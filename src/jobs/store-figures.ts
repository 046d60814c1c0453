/** What a store measures of itself, for `/metrics`. */

/** Since the start of the store: snapshots of histograms. */
export interface StoreFigures {
  commitSeconds: Float64Array
  batchJobs: Float64Array
  /** The size of the file with its log; `undefined` if the store has no file of its own. */
  fileBytes: number | undefined
}
