/** By how much the process has to grow before a thread's collector is made to look. */
const GROWTH_BYTES = 192 * 2 ** 20

/** Resident bytes of the process when this thread's collector last looked, or the fewest since. */
let resident = process.memoryUsage.rss()

/**
 * Has this thread's collector look, where the engine lets it be called (engine.json) and the process has grown: the collector
 * does not count memory that threads share, so that the model and the sum of a round that is over would lie there until something
 * else calls it. Only then, as a look is dear: it takes compiled code with it that every round needs again.
 */
export function collect(): void {
  const now = process.memoryUsage.rss()
  if (now - resident < GROWTH_BYTES) {
    resident = Math.min(resident, now)
    return
  }
  globalThis.gc?.()
  resident = process.memoryUsage.rss()
}
