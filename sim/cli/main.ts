/** Entry of `medmesh sim`, which the node's command line starts as a process of its own: node never imports sim. */
import { processIo } from '../../node/cli/io.ts'
import { runSim } from './program.ts'

process.exitCode = await runSim(process.argv.slice(2), processIo())
// What was written is flushed before the end.
await Promise.all([process.stdout, process.stderr].map(s => new Promise(done => s.write('', done))))
process.exit()
