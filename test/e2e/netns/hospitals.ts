/**
 * The scenario's hospitals as real nodes, each in its namespace: directories, identities and the charter that the simulator
 * plays too, with their own keys and addresses in it; rows that were made up; one process each.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Charter } from '../../../config/charter.ts'
import { type SignedCharter, signCharter, unsignedCharter } from '../../../config/signed.ts'
import { initHospital } from '../../../node/cli/commands/init.ts'
import { loadNodeConfig } from '../../../node/config.ts'
import { HospitalProcess, type Launch, nodeLaunch } from '../../../node/demo/child.ts'
import type { EventLine } from '../../../node/event-line.ts'
import { loadIdentity } from '../../../node/identity/identity.ts'
import type { MemberId } from '../../../protocol/ports.ts'
import { Random } from '../../../sim/random.ts'

const PORT = 4001
const ROWS = { train: 60, test: 30 }

export interface RealHospital {
  readonly member: MemberId
  readonly launch: Launch
}

/** Makes a directory below `root` for each member. `namespaces`, `addresses`: of the members, in the charter's order. */
export async function setUpHospitals(
  charter: Charter,
  root: string,
  namespaces: readonly string[],
  addresses: readonly string[],
): Promise<RealHospital[]> {
  const random = new Random(1)
  const members: Charter['members'][number][] = []
  const dirs = charter.members.map(m => join(root, m.id))
  for (const [i, member] of charter.members.entries()) {
    const dir = dirs[i]!
    const listen = `/ip4/${addresses[i]}/tcp/${PORT}`
    const made = await initHospital(dir, { member: member.id, listen, data: 'data.csv' }, {})
    // Plain JavaScript starts fastest, and a model of a few weights needs no other.
    const config = join(dir, 'node.yaml')
    writeFileSync(config, readFileSync(config, 'utf8').replace('backend: auto', 'backend: cpu'))
    writeFileSync(join(dir, 'data.csv'), rows(charter, random))
    members.push({ ...member, publicKey: made.publicKey, addresses: [listen] })
  }
  let signed: SignedCharter = unsignedCharter({ ...charter, members })
  for (const dir of dirs) {
    const { seed } = await loadIdentity(loadNodeConfig(dir).identityFile, { passphrase: () => undefined })
    signed = signCharter(signed, seed)
  }
  const file = join(root, 'charter.json')
  writeFileSync(file, JSON.stringify(signed))
  for (const dir of dirs) copyFileSync(file, join(dir, 'charter.json'))
  const ahead = firstOnMachine()
  return members.map((m, i) => ({
    member: m.id,
    launch: ['ip', 'netns', 'exec', namespaces[i]!, ...ahead, ...nodeLaunch(dirs[i]!)],
  }))
}

/** Before whatever else this machine does, which is not to be measured; without chrt (util-linux) beside it. */
function firstOnMachine(): readonly string[] {
  const isThere = spawnSync('chrt', ['--version']).status === 0
  return isThere ? ['chrt', '--rr', '1'] : []
}

/** Two classes that a linear model tells apart. */
function rows({ data }: Charter, random: Random): string {
  const { features, label, split } = data
  const lines = [[...features.map(f => f.name), label.name, split.name].join()]
  for (const [set, count] of [
    [split.train, ROWS.train],
    [split.test, ROWS.test],
  ] as const) {
    for (let i = 0; i < count; i++) {
      const positive = random.chance(0.5)
      const values = features.map(() => (random.normal() + (positive ? 0.5 : -0.5)).toFixed(3))
      lines.push([...values, positive ? label.positive : label.negative, set].join())
    }
  }
  return `${lines.join('\n')}\n`
}

/** Starts all of them; the caller stops them. */
export function startHospitals(
  hospitals: readonly RealHospital[],
  onLine: (line: EventLine) => void,
): HospitalProcess[] {
  return hospitals.map(({ member, launch }) => new HospitalProcess(member, launch, onLine))
}
