/** One node with everything but data: its learner has its update at once. */
import { dataless, madeUpUpdate } from '../../support/dataless.ts'
import { type ChildPlan, charterOf, type Measured, meter, type Reach, ROUNDS } from './plan.ts'

export async function secure(plan: ChildPlan, reach: Reach): Promise<Measured> {
  const { index, ports, peers, dir } = plan
  const charter = charterOf(plan)
  const addresses = ports.map(port => `/ip4/127.0.0.1/tcp/${port}`)
  const met = Promise.withResolvers<void>()
  let bytesBefore = 0
  let measured = meter()
  return new Promise((resolve, reject) => {
    const node = dataless({
      charter,
      index,
      listen: addresses[index]!,
      addresses,
      dir,
      update: round => {
        const update = madeUpUpdate(charter, index, round)
        if (round === ROUNDS) {
          bytesBefore = node.net.bytesSent()
          measured = meter()
        }
        return update
      },
      onEvent: event => {
        if (event.kind === 'jobFailed') reject(new Error(event.reason))
        if (event.kind === 'roundAborted') reject(new Error(`round ${event.round} given up: ${event.reason}`))
        if (event.kind !== 'roundClosed' || event.round !== ROUNDS) return
        resolve(measured(node.net.bytesSent() - bytesBefore))
      },
      onBroken: reject,
    })
    node.net.onConnected(() => {
      if (node.net.connected().length === peers - 1) met.resolve()
    })
    const begin = async () => {
      await node.listen()
      await reach('listening')
      await met.promise
      await reach('connected')
      node.begin()
    }
    begin().catch(reject)
  })
}
