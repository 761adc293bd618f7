/** The charter of a scenario's consortium: what its real counterpart would have agreed, on made-up data. */
import type { Charter } from '../../config/charter.ts'
import { hospitalsOf, maliciousMaxOf, type Scenario } from '../../config/scenario.ts'
import { simCharter } from '../charter.ts'

/** Largest vectors that go by gossip, in bytes: as the example studies have it. */
const GOSSIP_BYTES_MAX = 32_768

/** With the synthetic learner: a linear model on `features` inputs. */
export function scenarioCharter(scenario: Scenario): Charter {
  const { study, secureSum, contribution } = scenario
  const { delivery, ...deadlines } = secureSum
  return simCharter({
    members: hospitalsOf(scenario).map(h => h.id),
    maliciousMax: maliciousMaxOf(scenario),
    ...(scenario.committees && { committees: scenario.committees }),
    ...(scenario.privacy && { privacy: scenario.privacy }),
    rounds: study.rounds,
    features: study.features,
    secureSum: { ...deadlines, gossipBytesMax: delivery === 'gossip' ? GOSSIP_BYTES_MAX : 0 },
    ...(contribution && {
      edit: charter => {
        const { survivorsMin } = charter.secureSum
        const least = Math.max(survivorsMin, 2 * contribution.audit.groupSize)
        return { ...charter, contribution, secureSum: { ...charter.secureSum, survivorsMin: least } }
      },
    }),
  })
}
