/** Exports something else. */
export default { methods: { go: () => 1 } }
