/**
 * Stands in for a node's process: tells a study of R rounds in event lines, without one. Arguments: member, folder, R,
 * what it does. `hang`: on its first life it stops after the phase `sharing` of round 2, and waits to be killed.
 * `crash`: ends with code 3 in round 1. `stuck`: never finishes. `deaf`: ignores SIGTERM. `lies`: has its own model.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [member, folder, R, what] = process.argv.slice(2)
const mark = join(folder, `${member}.started`)
const again = existsSync(mark)
writeFileSync(mark, String(process.pid))
process.stderr.write(`log of ${member}\n`)
if (what === 'deaf') process.on('SIGTERM', () => {})
process.stdin.resume()

const members = ['a1', 'b1', 'c1']
let bytes = 0
function tell(event) {
  bytes += 10
  process.stdout.write(`${JSON.stringify({ at: Date.now(), member, bytesSent: bytes, event })}\n`)
}
function forever() {
  setInterval(() => {}, 1000)
}

function run() {
  tell({ kind: 'ready', peerId: 'x', backend: 'none', addresses: [] })
  for (let round = again ? 2 : 0; round <= Number(R) + 1; round++) {
    const where = { round, attempt: 0 }
    tell({ kind: 'roundOpened', ...where, task: 'train', cohort: members, absent: [] })
    tell({ kind: 'phase', ...where, phase: 'sharing' })
    if (what === 'hang' && !again && round === 2) return forever()
    if (what === 'crash' && round === 1) process.exit(3)
    tell({ kind: 'survivorsFixed', ...where, survivors: members, leftOut: [] })
    const modelHash = what === 'lies' ? 'ee' : `${round}`
    tell({ kind: 'roundClosed', ...where, task: 'train', modelHash, faults: [] })
  }
  if (what === 'stuck' || what === 'deaf') return forever()
  tell({ kind: 'studyFinished', rounds: Number(R), modelHash: 'end' })
  process.stdout.write('', () => process.exit(0))
}
run()
