/** Entry of the command line under Node 24; `bin.js` finds that for whoever has an older one. */
import { processIo } from './io.ts'
import { runCli } from './program.ts'

process.exitCode = await runCli(process.argv.slice(2), processIo())
// A library that keeps a handle open must not keep a finished command alive; what was written is flushed first.
await Promise.all([process.stdout, process.stderr].map(s => new Promise(done => s.write('', done))))
process.exit()
