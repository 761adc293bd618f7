/**
 * Has this thread's collector look now, where the engine lets it be called (engine.json): it does not count memory that threads
 * share, so that the model and the sum of a round that is over would lie there until something else calls it.
 */
export function collect(): void {
  globalThis.gc?.()
}
