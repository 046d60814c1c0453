/** Its default export is no service. */
export default { methods: { go: () => 1 } }
