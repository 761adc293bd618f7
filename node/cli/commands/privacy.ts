/** `medmesh privacy`: what noise in the sums promises a patient, and how much of it a budget takes, before anything is trained. */
import { type Command, Option } from 'commander'
import { MedmeshError } from '../../../config/error.ts'
import { type AccountantKind, epsilonOf, noiseMultiplierFor } from '../../../protocol/privacy/accountant.ts'
import { table } from '../format.ts'
import type { Io } from '../io.ts'
import { real, whole } from '../options.ts'
import { type Expected, expectedUtility, utilityLines } from '../utility.ts'
import { registerAttack } from './privacy-attack.ts'
import { registerReport } from './privacy-report.ts'

/** More noise than this leaves no model in practice; a budget that needs it for one round is refused. */
const SIGMA_SENSIBLE = 100

const DELTA = real(0, 1, true)
const SIGMA = real(0, 1e6)

const MEANING = `It bounds what all noised releases together tell of any one patient, if each step's batch is a Poisson
sample: every patient is in it with the same chance, independently of the others. Without the noise there
is no such bound: secure summing alone is no privacy guarantee.`

export function registerPrivacy(program: Command, io: Io): void {
  const privacy = program
    .command('privacy')
    .description('differential privacy: what given noise promises, and what a budget takes')
    .addHelpText(
      'after',
      '\nExamples:\n  medmesh privacy epsilon --q 0.01 --sigma 1.1 --steps 1000 --delta 1e-5\n  medmesh privacy plan --patients 5000 --batch 250 --rounds 40 --epsilon 3 --delta 1e-5',
    )
  registerEpsilon(privacy, io)
  registerPlan(privacy, io)
  registerReport(privacy, io)
  registerAttack(privacy, io)
}

interface EpsilonOptions {
  readonly q: number
  readonly sigma: number
  readonly steps: number
  readonly delta: number
  readonly accountant: AccountantKind
  readonly json?: boolean
}

function registerEpsilon(privacy: Command, io: Io): void {
  privacy
    .command('epsilon')
    .description('the epsilon of so many steps of noised training')
    .requiredOption('--q <rate>', 'chance of each patient to be in a batch, above 0, at most 1', real(0, 1))
    .requiredOption('--sigma <s>', 'noise multiplier: noise over what one patient adds at most', SIGMA)
    .requiredOption('--steps <t>', 'noised steps', whole(1, 1e9))
    .requiredOption('--delta <d>', 'chance that the bound may fail, below 1', DELTA)
    .addOption(accountantOption())
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExample:\n  medmesh privacy epsilon --q 0.01 --sigma 1.1 --steps 1000 --delta 1e-5 --json',
    )
    .action(({ json, ...asked }: EpsilonOptions) => {
      const epsilon = spent(asked)
      if (json) io.out(`${JSON.stringify({ epsilon, ...asked }, null, 2)}\n`)
      else {
        io.out(
          `epsilon ${roundedUp(epsilon)} at delta ${asked.delta} for one patient, added or removed (accountant: ${asked.accountant})\n${MEANING}\n`,
        )
      }
    })
}

interface PlanOptions {
  readonly patients: number
  readonly rounds: number
  readonly delta: number
  readonly epsilon?: number
  readonly sigma?: number
  readonly batch?: number
  readonly stepsPerRound: number
  readonly accountant: AccountantKind
}

function registerPlan(privacy: Command, io: Io): void {
  privacy
    .command('plan')
    .description(
      'the noise that a budget takes, or the budget that given noise takes; what as much cost in our studies',
    )
    .requiredOption('--patients <n>', 'patients of all hospitals together', whole(1, 1e9))
    .requiredOption('--rounds <r>', 'training rounds', whole(1, 1e6))
    .requiredOption('--delta <d>', 'chance that the bound may fail, at most 1/patients', DELTA)
    .option('--epsilon <e>', 'the budget; says the noise multiplier', real(0, 1e6))
    .addOption(
      new Option('--sigma <s>', 'instead of --epsilon: the noise multiplier; says epsilon')
        .argParser(SIGMA)
        .conflicts('epsilon'),
    )
    .option('--batch <b>', "patients in a step's batch on average (default: all)", whole(1, 1e9))
    .option('--steps-per-round <k>', 'noised steps in a round', whole(1, 1000), 1)
    .addOption(accountantOption())
    .option('--json', 'print the plan as JSON')
    .addHelpText(
      'after',
      `
The noise multiplier is the standard deviation of the noise in a sum over what one patient adds to it at most.

Examples:
  medmesh privacy plan --patients 5000 --batch 250 --rounds 40 --epsilon 3 --delta 1e-5
  medmesh privacy plan --patients 5000 --batch 250 --rounds 40 --sigma 1.2 --delta 1e-5 --json`,
    )
    .action(({ json, ...asked }: PlanOptions & { json?: boolean }, command: Command) => {
      if (asked.epsilon === undefined && asked.sigma === undefined) {
        command.error('error: give the budget with --epsilon, or the noise multiplier with --sigma')
      }
      const plan = makePlan(asked)
      io.out(json ? `${JSON.stringify(plan, null, 2)}\n` : forPeople(plan))
    })
}

function accountantOption(): Option {
  return new Option('--accountant <kind>', 'pld: close; rdp: larger, as often cited')
    .choices(['pld', 'rdp'])
    .default('pld')
}

/** Epsilon of Gaussian noise. Throws MedmeshError PRIVACY_NOISE_TOO_SMALL where there is no useful bound. */
function spent({ q, sigma, steps, delta, accountant }: Omit<EpsilonOptions, 'json'>): number {
  const epsilon = epsilonOf([{ mechanism: 'gaussian', q, sigma, steps }], delta, accountant)
  if (Number.isFinite(epsilon)) return epsilon
  throw new MedmeshError(
    'PRIVACY_NOISE_TOO_SMALL',
    `a noise multiplier of ${sigma} is too small to bound anything`,
    'take a noise multiplier of 0.1 or more',
  )
}

interface Plan {
  readonly noiseMultiplier: number
  /** After all rounds. */
  readonly epsilon: number
  readonly delta: number
  readonly accountant: AccountantKind
  readonly patients: number
  readonly batch: number
  readonly q: number
  readonly rounds: number
  readonly stepsPerRound: number
  readonly spent: readonly { readonly rounds: number; readonly steps: number; readonly epsilon: number }[]
  /** What the project's own studies lost at as large an epsilon for as many patients. */
  readonly expected: readonly Expected[]
}

/** Throws MedmeshError PRIVACY_DELTA_TOO_LARGE, PRIVACY_BATCH_TOO_LARGE, PRIVACY_BUDGET_TOO_SMALL and that of spent. */
function makePlan(asked: PlanOptions): Plan {
  const { patients, rounds, delta, stepsPerRound, accountant, batch = patients } = asked
  checkDelta(delta, patients)
  if (batch > patients) {
    throw new MedmeshError(
      'PRIVACY_BATCH_TOO_LARGE',
      `a batch of ${batch} is more than all ${patients} patients`,
      `take a --batch of ${patients} or less`,
    )
  }
  const q = batch / patients
  const at = (rounds: number, sigma: number) =>
    spent({ q, sigma, steps: rounds * stepsPerRound, delta, accountant })
  const noiseMultiplier = asked.sigma ?? noiseFor({ ...asked, q, epsilon: asked.epsilon! }, at)
  const stages = [...new Set([0.25, 0.5, 0.75, 1].map(part => Math.ceil(part * rounds)))]
  const used = stages.map(rounds => ({
    rounds,
    steps: rounds * stepsPerRound,
    epsilon: at(rounds, noiseMultiplier),
  }))
  const { epsilon } = used.at(-1)!
  return {
    noiseMultiplier,
    epsilon,
    delta,
    accountant,
    patients,
    batch,
    q,
    rounds,
    stepsPerRound,
    spent: used,
    expected: expectedUtility(epsilon, patients),
  }
}

/** A delta above 1/patients would let a mechanism publish some patient's record as it is. */
function checkDelta(delta: number, patients: number): void {
  if (delta <= 1 / patients) return
  const digits = Math.floor(Math.log10(1 / patients))
  throw new MedmeshError(
    'PRIVACY_DELTA_TOO_LARGE',
    `delta ${delta} is above 1/patients, ${(1 / patients).toPrecision(3)}: it would allow a patient's record to be given away`,
    `take a --delta of 1e${digits} or less`,
  )
}

function noiseFor(
  asked: PlanOptions & { q: number; epsilon: number },
  at: (rounds: number, sigma: number) => number,
): number {
  const { q, rounds, stepsPerRound, epsilon, delta, accountant } = asked
  const least = at(1, SIGMA_SENSIBLE)
  if (epsilon < least) {
    throw new MedmeshError(
      'PRIVACY_BUDGET_TOO_SMALL',
      `epsilon ${epsilon} does not last for one round, even with a noise multiplier of ${SIGMA_SENSIBLE}`,
      `take an --epsilon of ${roundedUp(least)} or more, or a smaller --batch`,
    )
  }
  return noiseMultiplierFor({ q, steps: rounds * stepsPerRound, epsilon, delta, accountant })
}

/** Four digits, never less than the value. */
function roundedUp(value: number): string {
  if (value === 0) return '0'
  const unit = 10 ** (Math.floor(Math.log10(value)) - 3)
  return String(Number((Math.ceil(value / unit) * unit).toPrecision(4)))
}

function forPeople(plan: Plan): string {
  const { noiseMultiplier, epsilon, delta, accountant, patients, batch, q, rounds } = plan
  const rows = plan.spent.map(at => [
    String(at.rounds),
    String(at.steps),
    String(noiseMultiplier),
    roundedUp(at.epsilon),
  ])
  const lines = table([['rounds', 'steps', 'noise multiplier', 'epsilon spent'], ...rows], [0, 1, 2, 3])
  return `${[
    `noise multiplier ${noiseMultiplier} spends epsilon ${roundedUp(epsilon)} at delta ${delta} in ${rounds} rounds`,
    `unit: one patient of ${patients}, added or removed; batches of ${batch} (q ${Number(q.toPrecision(3))}); accountant: ${accountant}`,
    '',
    ...lines,
    '',
    MEANING,
    '',
    ...utilityLines(plan.expected),
  ].join('\n')}\n`
}
