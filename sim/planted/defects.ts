/**
 * Small defects, each of the kind that a tired programmer makes: what stands in the source, and what a careless hand would
 * have written. They are applied in memory, one at a time (`hook.ts`), to show that the checkers of random runs find each.
 */

export interface Edit {
  /** Relative to the project's folder. */
  readonly file: string
  /** Text that stands in it exactly once. */
  readonly find: string
  readonly replace: string
}

export interface Defect {
  readonly name: string
  /** What the careless hand did, in a few words. */
  readonly says: string
  readonly edits: readonly Edit[]
}

function defect(name: string, says: string, ...edits: readonly Edit[]): Defect {
  return { name, says, edits }
}

const edit = (file: string, find: string, replace: string): Edit => ({ file, find, replace })

export const DEFECTS: readonly Defect[] = [
  // --- consensus ---
  defect(
    'no-lock',
    'a voter prevotes whatever is proposed, locked or not (Tendermint, lines 23 and 29)',
    edit('protocol/consensus/tendermint.ts', `verdict === 'valid' && (free || same)`, `verdict === 'valid'`),
  ),
  defect(
    'quorum-off-by-one',
    'floor((n + f) / 2) votes are taken for a quorum',
    edit('config/charter.ts', 'return Math.floor((n + f) / 2) + 1', 'return Math.floor((n + f) / 2)'),
  ),
  defect(
    'vote-before-stored',
    'votes and proposals leave before they are durable',
    edit(
      'protocol/peer/decide.ts',
      `    b.effects.store(puts, [], () => {
      for (const bytes of [...step.say, ...step.pass]) b.effects.emit({ kind: 'publish', bytes })
    })`,
      `    for (const bytes of step.say) b.effects.emit({ kind: 'publish', bytes })
    b.effects.store(puts, [], () => {})`,
    ),
  ),
  defect(
    'votes-forgotten',
    'a restarted peer does not read its stored votes again',
    edit(
      'protocol/peer/advance.ts',
      'if (records.length === 0) return\n',
      'if (records.length >= 0) return\n',
    ),
  ),
  defect(
    'certificate-not-checked',
    'an entry from a peer is adopted without a look at its certificate',
    edit('protocol/ledger/verify.ts', 'return certified.ok ? applied :', 'return certified ? applied :'),
  ),
  defect(
    'charter-not-checked',
    'an entry may open a round under another charter',
    edit(
      'protocol/ledger/state.ts',
      `  if (!equalBytes(body.charter, state.charterHash)) return err('charter is not the one in force')\n`,
      '',
    ),
  ),
  // --- inputs ---
  defect(
    'late-input',
    'an input that comes after the survivors are fixed is summed all the same',
    edit(
      'protocol/round/opening.ts',
      '  const survivors = body.survivors.map(s => s.member)\n',
      '  const survivors = a.cohort.filter(m => a.commitments.has(m))\n',
    ),
    edit(
      'protocol/round/claims.ts',
      '  return s !== undefined && equalBytes(s.root, root)',
      '  return s === undefined || equalBytes(s.root, root)',
    ),
  ),
  defect(
    'input-of-any-round',
    'a commitment is not bound to its round: an old one counts in a new attempt',
    edit(
      'protocol/round/receive.ts',
      `  const order = compare(body as OfAttempt, here)\n`,
      `  const order = type === 'input' ? 0 : compare(body as OfAttempt, here)\n`,
    ),
    edit(
      'protocol/round/receive.ts',
      `if ('opened' in body && !equalBytes`,
      `if (type !== 'input' && 'opened' in body && !equalBytes`,
    ),
  ),
  defect(
    'receipt-not-held',
    'an owner signs receipts for slices that it does not hold',
    edit(
      'protocol/round/receipts.ts',
      'from: bitmapOf(a.cohort, h.members) })',
      'from: bitmapOf(a.cohort, new Set(a.cohort)) })',
    ),
  ),
  defect(
    'two-inputs-ignored',
    'a second input of one member takes the place of the first',
    edit(
      'protocol/round/input.ts',
      '  a.barred.add(from)\n  const versions',
      '  acceptInput(a, from, body, message)\n  const versions',
    ),
  ),
  // --- keys and shares ---
  defect(
    'keys-without-attempt',
    'keys are derived without round, attempt and entry, from one seed for a whole life',
    edit(
      'protocol/peer/advance.ts',
      `u32be(round, attempt), head)\n`,
      `u32be(0, 0), new Uint8Array(head.length))\n`,
    ),
    edit(
      'protocol/peer/advance.ts',
      `  b.entropy = hkdf(b.entropy!, ascii('medmesh/1 next entropy'), 32)\n`,
      '',
    ),
    edit(
      'protocol/round/context.ts',
      `    u32be(context.round, context.attempt),\n    context.opened,\n`,
      '',
    ),
  ),
  defect(
    'retry-with-old-keys',
    "a round's next attempt is made with the keys of the one before",
    edit(
      'protocol/peer/advance.ts',
      `u32be(round, attempt), head)\n`,
      `u32be(round, 0), new Uint8Array(head.length))\n`,
    ),
    edit(
      'protocol/peer/advance.ts',
      `  b.entropy = hkdf(b.entropy!, ascii('medmesh/1 next entropy'), 32)\n`,
      '',
    ),
  ),
  defect(
    'share-of-anybody',
    'a direct message counts for the member that it names, whoever sent it',
    edit(
      'protocol/peer/receive.ts',
      `if (via !== 'stream' || author !== from) return`,
      `if (via !== 'stream') return`,
    ),
  ),
  // --- opening ---
  defect(
    'reveal-without-certificate',
    'shares are revealed for survivors that were only proposed',
    edit(
      'protocol/peer/decide.ts',
      `        return entry ? judge(b.outlook(), entry, prevoters) : 'invalid'\n`,
      `        const verdict = entry ? judge(b.outlook(), entry, prevoters) : 'invalid'
        if (verdict === 'valid' && entry?.body.kind === 'SurvivorsFixed' && b.attempt && !b.attempt.opening)
          beginOpening(b.attempt, entry.body, entryHash(value), b.now)
        return verdict\n`,
    ),
    edit(
      'protocol/peer/decide.ts',
      `import { encodeEntry, type SurvivorsFixed } from '../ledger/entry.ts'`,
      `import { encodeEntry, entryHash, type SurvivorsFixed } from '../ledger/entry.ts'`,
    ),
  ),
  defect(
    'reveals-both',
    'a mask-key share is revealed beside the self-mask share',
    edit(
      'protocol/round/opening.ts',
      `    a.hands.publish(\`reveal:\${a.hands.self}\`, message)\n    a.hands.event(`,
      `    a.hands.publish(\`reveal:\${a.hands.self}\`, message)
    const both = concatBytes(...a.cohort.map(m => a.shares.get(m)![o.survivors.includes(m) ? 'mask' : 'self']))
    a.hands.publish(\`again:\${a.hands.self}\`, a.hands.sign('reveal', { ...body, shares: both }))
    a.hands.event(`,
    ),
  ),
  defect(
    'reveal-forgotten',
    'the reveal leaves without having been stored',
    edit(
      'protocol/round/opening.ts',
      '  a.hands.store([[RECORDS.reveal, message]], () => {',
      '  a.hands.store([], () => {',
    ),
  ),
  defect(
    'tags-forgotten',
    'the tags leave without having been stored, and with them which claims they are of',
    edit('protocol/round/opening.ts', '  a.hands.store([[RECORDS.tags, message]], ', '  a.hands.store([], '),
  ),
  defect(
    'tags-not-checked',
    'the sum that an owner claims is believed',
    edit(
      'protocol/round/verify.ts',
      '  suspect(o)\n',
      '  if (o.sums.size === a.shards) o.verified = true\n  suspect(o)\n',
    ),
  ),
  defect(
    'too-few-survivors',
    'a sum over two is opened',
    edit(
      'protocol/ledger/state.ts',
      '  if (survivors.length < least) return err(',
      '  if (survivors.length < 1) return err(',
    ),
    edit(
      'protocol/round/attempt.ts',
      '    return survivorsMinOf(this.setup.charter, this.cohort.length)',
      '    return 1',
    ),
  ),
  // --- audits ---
  defect(
    'opens-all-pairs',
    'an audit opens the masks within its groups too',
    edit(
      'protocol/round/audit.ts',
      '  return o.survivors.filter(m => !own.includes(m))',
      '  return o.survivors.filter(m => m !== member || own.length === 0)',
    ),
  ),
  defect(
    'pairs-forgotten',
    'keys of masks leave without having been stored',
    edit(
      'protocol/round/audit.ts',
      '  a.hands.store([[RECORDS.pairs, message]], () => {',
      '  a.hands.store([], () => {',
    ),
  ),
  // --- noise ---
  defect(
    'noise-left-out',
    'a hospital masks its numbers without its share of the noise',
    edit('protocol/sum/kernels.ts', '      addNoise(piece)\n', ''),
  ),
  defect(
    'noise-stays',
    'noise that more survivors do not need stays in the sum',
    edit('protocol/sum/kernels.ts', '    denoise?.(piece)\n', ''),
  ),
  defect(
    'noise-off-by-one',
    'of the noise a level too many is taken off',
    edit(
      'protocol/privacy/shares.ts',
      'findIndex(end => end >= of.cohort - survivors)',
      'findIndex(end => end >= of.cohort - survivors - 1)',
    ),
  ),
  defect(
    'noise-for-all',
    'the noise of each hospital is sized for a sum to which all add theirs',
    edit(
      'protocol/privacy/shares.ts',
      '  return of.cohort - dropouts - idleMax(of)',
      '  return of.cohort - dropouts',
    ),
  ),
  defect(
    'charge-forgotten',
    'a hospital stores its input without what it costs',
    edit('protocol/round/input.ts', '  puts.push(...a.hands.charge(a.setup.body.task))\n', ''),
  ),
  // --- arithmetic ---
  defect(
    'wrong-reduction',
    'a sum is masked to 31 bits instead of reduced modulo p',
    edit(
      'protocol/sum/kernels.ts',
      `assert(addWords(part.length), 'inputs of a sum are residues')`,
      `for (let i = 0; i < part.length; i++) elements[i] = (elements[i]! + words[i]!) & 0x7fff_ffff`,
    ),
  ),
  // --- bounds ---
  defect(
    'unbounded-queue',
    'messages of later steps are kept without a bound',
    edit(
      'protocol/round/future.ts',
      'if (room.items.length >= MESSAGES_MAX || room.size + kept.bytes.length > BYTES_MAX) return false',
      '',
    ),
  ),
]
