/** What the simulator's report adds to the looks of the node's: colours that differ for the colour-blind too (Okabe, Ito). */
export const SIM_STYLE = `
:root {
  --between: #d3dae1; --learning: #0072b2; --sharing: #56b4e9; --delivered: #e69f00; --opening: #009e73;
  --repeat: #cc79a7; --merged: #7d9cb8; --struck: #d55e00; --hindered: #a8568a; --finished: #eef1f4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --between: #3a4652; --learning: #3b8fd4; --sharing: #8fd0f7; --delivered: #e9b44c; --opening: #3bbd92;
    --repeat: #d48fb5; --merged: #5f7f9c; --struck: #ff8a3d; --hindered: #d48fb5; --finished: #1f272f;
  }
}
dl.facts { grid-template-columns: repeat(auto-fit, minmax(9.2rem, 1fr)); } .facts dd { font-size: 1.15rem; white-space: nowrap; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
.between { fill: var(--between); } .learning { fill: var(--learning); } .sharing { fill: var(--sharing); }
.delivered { fill: var(--delivered); } .opening { fill: var(--opening); } .repeat { fill: var(--repeat); }
.round, .rounds { fill: var(--merged); } .finished { fill: var(--finished); }
.aside { fill: none; stroke: var(--soft); stroke-dasharray: 2 3; }
.down { fill: url(#down-hatch); stroke: var(--struck); stroke-width: .8; }
.outage { fill: url(#outage-hatch); stroke: var(--struck); stroke-width: .8; }
.paused { fill: url(#paused-dots); stroke: var(--struck); stroke-width: .8; }
.solid-struck { fill: var(--struck); } .hindered { fill: var(--hindered); } .missed { fill: var(--away); }
.hatch-line { stroke: var(--struck); stroke-width: 2.4; } .hatch-paper { fill: var(--paper); } .hatch-dot { fill: var(--struck); }
.line { stroke: var(--fed); stroke-width: 2; fill: none; } .line-2 { stroke: var(--pooled); stroke-width: 2; stroke-dasharray: 6 4; fill: none; }
.dot { fill: var(--fed); } .dot-2 { fill: var(--pooled); } text.line-text { fill: var(--fed); } text.line-2-text { fill: var(--pooled); }
.bar-2 { fill: none; stroke: var(--bar); stroke-width: 1.4; } .mark { stroke: var(--away); stroke-width: 1.4; stroke-dasharray: 4 3; } text.mark-text { fill: var(--away); stroke: var(--paper); stroke-width: 4; paint-order: stroke; } a { color: var(--fed); }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; list-style: none; padding: 0; margin: .5rem 0 0; max-width: none; font-size: .86rem; }
.legend li { display: flex; align-items: center; gap: .4rem; } .legend svg { width: 22px; height: 14px; flex: none; }
.good { color: var(--ok); font-weight: 600; } .bad { color: var(--away); font-weight: 600; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 1rem; } .two > * { max-width: 31rem; }
td .wrap { white-space: normal; min-width: 16rem; }
@media print { figure, tr { break-inside: avoid; } h2, h3 { break-after: avoid; } details:not([open]) { display: none; } }
`
