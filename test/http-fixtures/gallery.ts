/** A service as a user writes it: a method of each kind that a generated client has to cope with. */
import { bytes, defineService, MethodProblem, method, stream } from 'threadplane/service'
import { z } from 'zod'

const Picture = z.object({ id: z.string(), width: z.int(), tags: z.array(z.string()) }).meta({ id: 'Picture' })

export default defineService({
  description: 'Pictures',
  methods: {
    find: method({
      description: 'A picture by its id',
      input: z.object({ id: z.string().min(1), withTags: z.boolean().default(true) }),
      output: Picture,
      problems: { pictureNotFound: { status: 404, title: 'No such picture' } },
      handler: ({ id, withTags }) => {
        if (id === 'none') throw new MethodProblem(404, 'no picture none', { code: 'PICTURE_NOT_FOUND' })
        return { id, width: 640, tags: withTags ? ['sea'] : [] }
      },
    }),
    list: method({
      description: 'All pictures',
      input: z.object({ tag: z.string().optional() }),
      output: z.array(Picture),
      handler: ({ tag = 'sea' }) => [{ id: 'one', width: 640, tags: [tag] }],
    }),
    invert: method({
      description: 'The negative',
      input: bytes({ types: ['image/png'] }),
      output: bytes({ types: ['image/png'] }),
      handler: (image) => image.map((byte) => 255 - byte),
    }),
    words: method({
      description: 'The words of a caption',
      input: z.object({ caption: z.string() }),
      output: stream(z.object({ word: z.string() })),
      handler: async function* ({ caption }) {
        for (const word of caption.split(' ')) yield { word }
      },
    }),
    render: method({
      description: 'Runs until it is cancelled',
      input: z.object({ id: z.string() }),
      output: z.object({ url: z.string() }),
      handler: (_input, { signal, progress }) => {
        progress(0.5)
        return new Promise<never>((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
        })
      },
    }),
  },
})
