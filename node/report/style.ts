/** The report's looks: system fonts, two palettes by the reader's setting, fit for print. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b2530; --soft: #566372; --line: #d5dce3; --panel: #f4f7f9;
  --fed: #0b63c5; --pooled: #8a5a00; --alone: #6b7784; --away: #c22f2f; --ok: #2b7a4b; --bar: #5b8fd0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12171d; --ink: #e7ecf1; --soft: #a3b0bd; --line: #333e49; --panel: #1a2129;
    --fed: #6db2ff; --pooled: #e9b44c; --alone: #98a5b2; --away: #ff7b7b; --ok: #63c88c; --bar: #4a80c4;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
p { margin: .5rem 0; max-width: 46rem; }
.soft, figcaption, caption { color: var(--soft); }
.caveat { border-left: 4px solid var(--pooled); padding: .25rem .9rem; background: var(--panel); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.4rem, 1fr)); gap: .75rem; margin: 1.25rem 0; padding: 0; }
.facts div { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.facts dt { color: var(--soft); font-size: .82rem; }
.facts dd { margin: 0; font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums; }
figure { margin: .75rem 0; }
figcaption { font-size: .88rem; max-width: 46rem; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--ink); font-size: 12.5px; font-family: inherit; }
svg .soft { fill: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .75rem 0; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .3rem; font-size: .88rem; }
th, td { padding: .28rem .55rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
thead th { color: var(--soft); font-weight: 600; }
tbody th { font-weight: 500; }
.num { text-align: right; }
code { font: .88em/1.4 ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
ul { padding-left: 1.2rem; max-width: 46rem; }
details { margin: .75rem 0; }
summary { cursor: pointer; color: var(--fed); }
.axis { stroke: var(--line); }
.band { fill: var(--fed); opacity: .18; } .fed { stroke: var(--fed); stroke-width: 2.5; fill: none; } .fed-dot { fill: var(--fed); }
.pooled { stroke: var(--pooled); stroke-width: 1.8; stroke-dasharray: 7 4; } text.pooled-text { fill: var(--pooled); }
.alone { stroke: var(--alone); stroke-width: 1.4; stroke-dasharray: 2 4; } text.alone-text { fill: var(--alone); }
text.fed-text { fill: var(--fed); font-weight: 600; }
.in { fill: var(--fed); } .in.odd { opacity: .62; } .out { fill: none; stroke: var(--away); stroke-width: 1.5; }
.gone { fill: url(#hatch); stroke: var(--away); } .hatch { stroke: var(--away); stroke-width: 2; } text.away { fill: var(--away); font-weight: 600; stroke: var(--paper); stroke-width: 4; paint-order: stroke; }
.bar { fill: var(--bar); }
@media print { body { font-size: 11pt; } .scroll { overflow: visible; } }
`
