/** report.html: the demo's outcome as one self-contained page, without scripts and without anything to fetch. */
import { protectionInWords } from '../../config/words.ts'
import { formatBytes, formatScore, formatSeconds } from '../cli/format.ts'
import { summarise } from '../cli/ledger-file.ts'
import { type DemoRecord, demoJson, faultsOf, secondsOf } from '../demo/result.ts'
import { CAVEAT, describeFault, oneClassNotes, scoreCells } from '../demo/summary.ts'
import { notes, roundName } from '../demo/tree.ts'
import { aucChart, bytesChart, timeline } from './charts.ts'
import { contributionSection } from './contribution.ts'
import { html, htmlTable, type Markup } from './html.ts'
import { STYLE } from './style.ts'

/** The whole page. All text of the record is escaped. */
export function reportHtml(record: DemoRecord): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>medmesh: ${record.title}</title>
<style>${raw(STYLE)}</style>
</head>
<body><main>
${head(record)}
${learning(record)}
${course(record)}
${bytes(record)}
${record.contribution ? contributionSection(record.contribution) : html``}
${ledger(record)}
${promises(record)}
</main></body>
</html>
`
  return page.text
}

function head(record: DemoRecord): Markup {
  const json = demoJson(record)
  const fact = (name: string, value: string) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`
  return html`<h1>${record.title}</h1>
<p class="soft">A run of the medmesh demo: ${record.hospitals.length} hospitals, each its own process, one model, no server. Seed ${record.seed}.</p>
<p class="caveat">${CAVEAT}</p>
<dl class="facts">
${fact('Training rounds', String(record.rounds))}
${fact('AUC, federated', formatScore(json.auc.federated ?? undefined))}
${fact('AUC, pooled *', formatScore(json.auc.pooled ?? undefined))}
${fact('Accuracy', formatScore(json.accuracy.federated ?? undefined))}
${fact('Ledger', record.ledger.verified ? 'verified' : 'not verified')}
${fact('Time', formatSeconds(record.seconds))}
</dl>`
}

function learning(record: DemoRecord): Markup {
  return html`<h2>What was learned</h2>
<figure>${aucChart(record)}
<figcaption>AUC on the test rows of all hospitals. The federated line comes from the certified sums of score histograms; no hospital saw another's rows or scores. The lines for comparison are exact: each hospital's own model, and a model of all records pooled in one place, which is what the study avoids.</figcaption></figure>
${htmlTable('AUC on test rows (* trained for comparison only)', scoreCells(record, 'auc'))}
${htmlTable('Accuracy on test rows (* trained for comparison only)', scoreCells(record, 'accuracy'))}
<p class="soft">A dash: the test rows are of one class, so nothing can be ranked. ${oneClassNotes(record).join(' ')}</p>
${htmlTable('Hospitals', [
  ['id', 'name', 'training rows', 'test rows'],
  ...record.hospitals.map(h => [h.member, h.name, String(h.trainRows), String(h.testRows)]),
])}`
}

function course(record: DemoRecord): Markup {
  const { board } = record
  const faults = faultsOf(board)
  const rows = board
    .ordered()
    .map(view => [
      roundName(view, record.rounds),
      String(view.attempt),
      String(view.cohort.length),
      String(view.survivors.length),
      view.task === 'train' ? formatScore(board.metricsAfter(view.round)?.auc) : '-',
      formatSeconds(secondsOf(view)),
      ...board.members.map(m => formatBytes(view.bytesSent.get(m) ?? 0)),
      notes(board, view).join('; '),
    ])
  return html`<h2>How the rounds went</h2>
<figure>${timeline(record)}
<figcaption>A filled block: the hospital's input of that round counts. An outline: it was left out, and the round closed without it. Hatched: its process was gone. Numbers on top are rounds; 0 sums the statistics for normalisation, the last only evaluates.</figcaption></figure>
<h3>What went wrong</h3>
${faults.length === 0 ? html`<p>Nothing.</p>` : html`<ul>${faults.map(f => html`<li>${describeFault(f)}</li>`)}</ul>`}
<details><summary>All rounds</summary>
${htmlTable('Bytes are those that each hospital sent in the round', [
  ['round', 'attempt', 'cohort', 'survivors', 'AUC after', 'time', ...board.members, 'notes'],
  ...rows,
])}
</details>`
}

function bytes(record: DemoRecord): Markup {
  return html`<h2>What was sent</h2>
<figure>${bytesChart(record)}
<figcaption>Everything that a hospital's process wrote to its sockets: masked inputs, shares, votes, gossip of others' messages, encryption and all.</figcaption></figure>`
}

function ledger({ ledger: l, ...record }: DemoRecord): Markup {
  const { finished, members } = record.board
  return html`<h2>What was decided</h2>
<p>${l.entries.length} entries, each with the signatures of at least ${record.quorum} of ${record.hospitals.length} hospitals. After the run, the copies of all hospitals were checked offline against the signed charter: ${l.signatures} signatures in each, and one chain in all.</p>
${htmlTable('Hashes (SHA-256)', [
  ['what', 'hash'],
  ['charter', html`<code>${record.charterHash}</code>`],
  ['last entry', html`<code>${l.head}</code>`],
  ...members.map(m => [`model of ${m}`, html`<code>${finished.get(m)}</code>`]),
])}
<details><summary>All entries</summary>
${htmlTable('The ledger', [
  ['height', 'entry', 'decision', 'signed by', 'hash'],
  ...l.entries.map(e => [
    String(e.entry.height),
    e.entry.body.kind,
    summarise(e.entry),
    e.signers.join(', '),
    html`<code>${e.hash.slice(0, 16)}</code>`,
  ]),
])}
</details>`
}

const NOISE: Readonly<Record<DemoRecord['privacy']['unit'], string>> = {
  none: 'A model can tell something about the records that it was trained on.',
  hospital: 'So is each of its patients. Not covered: that a hospital takes part.',
  patient: 'Not covered: more than one row of a patient, and that a hospital takes part.',
}

function promises(record: DemoRecord): Markup {
  const f = record.maliciousMax
  return html`<h2>What this promises, and what it does not</h2>
<ul>
<li>No record leaves a hospital. What leaves is a masked vector that looks random to everyone else; only the sum over the survivors is ever opened.</li>
<li>Up to ${f} malicious ${f === 1 ? 'hospital' : 'hospitals'} of ${record.hospitals.length} can neither change what was decided nor open one hospital's input. A lost hospital costs at most its own input of that round.</li>
<li>Anyone with the charter can check the ledger later.</li>
</ul>
<p><strong>Not promised:</strong></p>
<ul>
<li>Secure summing alone is not anonymity. In this study: ${protectionInWords(record)}. ${NOISE[record.privacy.unit]}</li>
<li>A hospital that lies about its own data is not found out: its masked input is whatever it chose, within the bounds.</li>
<li>In this demo all processes ran on one machine, so whoever owns it could see everything. The models for comparison were trained with all records in one process.</li>
</ul>`
}

/** The style sheet, which is our own constant. */
function raw(text: string): Markup {
  return html([text] as unknown as TemplateStringsArray)
}
