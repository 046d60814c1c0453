/** The JSON of an answer that may have thousands of items. It is written in slices, so that other clients are served. */
import { Slices } from '../async/slices.ts'

/** `{"items":[…]}`. @param view makes an item of each element */
export async function longList<T>(elements: readonly T[], view: (element: T) => unknown): Promise<string> {
  const slices = new Slices()
  let text = ''
  for (const element of elements) {
    text += `${text === '' ? '' : ','}${JSON.stringify(view(element))}`
    await slices.pause()
  }
  return `{"items":[${text}]}`
}
