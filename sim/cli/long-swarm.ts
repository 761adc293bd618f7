/**
 * A long campaign of random scenarios in pieces: `npm run sim:campaign`. It goes on with the seed after the last one that the
 * file of its figures has, adds what it finds, and can be stopped at any time: at most a piece is lost.
 *
 *   node sim/cli/long-swarm.ts [--minutes 60] [--workers 2] [--from 1000000] [--file out/campaign.json]
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { replaceFile } from '../../node/cli/write.ts'
import { addFigures, NO_FIGURES, type SwarmFigures } from '../swarm-figures.ts'
import { figuresTable } from './swarm-table.ts'
import { runWorkers } from './workers.ts'

/** Each piece has processes of its own. */
const PIECE_SEEDS = 200

interface Campaign {
  readonly from: number
  /** The first seed that has not been played. */
  readonly next: number
  readonly cpuHours: number
  readonly realMs: number
  readonly figures: SwarmFigures
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    workers: { type: 'string', default: '2' },
    from: { type: 'string', default: '1000000' },
    file: { type: 'string', default: 'out/campaign.json' },
  },
})

function begun(from: number): Campaign {
  return { from, next: from, cpuHours: 0, realMs: 0, figures: NO_FIGURES }
}

async function piece(c: Campaign, workers: number): Promise<Campaign> {
  const start = performance.now()
  const to = c.next + PIECE_SEEDS - 1
  let cpuMs = 0
  const figures = await runWorkers({
    from: c.next,
    to,
    workers,
    pieceSeeds: 10,
    crypto: 'ideal',
    onCpu: ms => {
      cpuMs += ms
    },
    onFailure: f => console.log(`seed ${f.seed}  ${f.checker}: ${f.says}`),
  })
  return {
    from: c.from,
    next: to + 1,
    cpuHours: c.cpuHours + cpuMs / 3_600_000,
    realMs: c.realMs + performance.now() - start,
    figures: addFigures(c.figures, figures),
  }
}

const end = performance.now() + Number(values.minutes) * 60_000
let campaign: Campaign = existsSync(values.file)
  ? JSON.parse(readFileSync(values.file, 'utf8'))
  : begun(Number(values.from))
mkdirSync(dirname(values.file), { recursive: true })
while (performance.now() < end) {
  // Two at least: processes of their own say what they have cost.
  campaign = await piece(campaign, Math.max(2, Number(values.workers)))
  replaceFile(values.file, `${JSON.stringify(campaign, null, 2)}\n`)
  console.log(
    `seeds ${campaign.from} to ${campaign.next - 1}, ${campaign.cpuHours.toFixed(2)} CPU hours so far`,
  )
}
console.log(figuresTable(campaign.figures, campaign.realMs))
process.exitCode = campaign.figures.failures.length > 0 ? 5 : 0
