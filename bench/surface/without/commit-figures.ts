/** Measures no transactions. */
import { CommitFigures as Whole } from '../../../src/sqlite/commit-figures.ts'

export class CommitFigures extends Whole {
  override committed(): void {}
}
