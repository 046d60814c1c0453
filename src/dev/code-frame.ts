/** Shows an error of a module where it is in the source: place, five lines, and a caret. */
import { readFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { codeFrameColumns } from '@babel/code-frame'
import { textOfError } from '../contract/errors.ts'
import { ownError, type Place, placeOf } from './error-place.ts'

const LINES_AROUND = 2

/**
 * The text of the error, and the frame if its place is known.
 * @param module the file of the service
 * @param files all files of the service, those that have changed first
 */
export async function codeFrame(error: Error, module: string, files: string[], colours: boolean): Promise<string> {
  const own = ownError(error)
  const place = await placeOf(own, module, files)
  if (place === undefined) return textOfError(own)
  const { file, line, column } = place
  const where = [relative(process.cwd(), file) || file, line, column].filter((part) => part !== undefined).join(':')
  const text = await readFile(file, 'utf8').catch(() => undefined)
  return [where, ...(text === undefined ? [] : [frameOf(text, place, colours)]), textWithoutPlace(own, place)].join(
    '\n',
  )
}

function frameOf(text: string, { line, column }: Place, highlightCode: boolean): string {
  const start = { line, ...(column !== undefined && { column }) }
  return codeFrameColumns(text, { start }, { linesAbove: LINES_AROUND, linesBelow: LINES_AROUND, highlightCode })
}

/** The place stands above the frame already. */
function textWithoutPlace(error: Error, { file, line, column }: Place): string {
  return textOfError(error)
    .replace(` (${[file, line, column].filter((part) => part !== undefined).join(':')})`, '')
    .replace(/ \(at \d+:\d+ of a module that .*\)$/, '')
}
