/** `medmesh sim list`: the scenarios that come with it. */
import type { Command } from 'commander'
import { table } from '../../../node/cli/format.ts'
import type { Io } from '../../../node/cli/io.ts'
import { ownScenarios } from '../scenario-file.ts'

export function registerList(program: Command, io: Io): void {
  program
    .command('list')
    .description('the scenarios that come with the simulator')
    .addHelpText(
      'after',
      `
They are YAML files in config/scenarios, with comments: copy one, change it, and play it with
medmesh sim run --scenario FILE. What may stand in them: config/scenario.ts.

Examples:
  medmesh sim list
  medmesh sim run --scenario continents --seed 7`,
    )
    .action(() => {
      const rows = ownScenarios().map(({ name, scenario }) => [
        name,
        String(scenario.sites.reduce((n, s) => n + s.count, 0)),
        String(scenario.study.rounds),
        scenario.title,
      ])
      io.out(`${table([['scenario', 'hospitals', 'rounds', 'title'], ...rows], [1, 2]).join('\n')}\n`)
    })
}
