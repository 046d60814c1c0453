/** The file that a method of bytes takes. */
import { useId } from 'preact/hooks'
import { bytes } from '../ui/format.ts'

interface ByteInputProps {
  types: readonly string[]
  file: File | undefined
  onChange: (file: File | undefined) => void
}

export function ByteInput({ types, file, onChange }: ByteInputProps) {
  const id = useId()
  return (
    <div
      class="byte-input"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault()
        const [dropped] = event.dataTransfer?.files ?? []
        if (dropped !== undefined) onChange(dropped)
      }}
    >
      <label for={id}>
        File <span class="dim">{types.join(', ')}</span>
      </label>
      <input
        id={id}
        type="file"
        accept={types.filter((type) => type !== '*/*').join()}
        onChange={({ currentTarget }) => onChange(currentTarget.files?.[0])}
      />
      {file === undefined ? (
        <p class="dim">Choose a file, or drop one here.</p>
      ) : (
        <p class="dim">
          {file.name}, {bytes(file.size)}, sent as {typeToSend(file, types)}
        </p>
      )}
    </div>
  )
}

/** The type of the file if the method takes it, else one that the method takes. */
export function typeToSend(file: File | undefined, types: readonly string[]): string {
  const own = file?.type ?? ''
  const isTaken = types.some(
    (type) => type === own || type === '*/*' || (type.endsWith('/*') && own.startsWith(type.slice(0, -1))),
  )
  if (own !== '' && isTaken) return own
  return types.find((type) => !type.includes('*')) ?? 'application/octet-stream'
}
