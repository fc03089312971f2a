"""The style sheet of a report: light, dark and printed."""

STYLE = """
:root { color-scheme: light dark; --back: #fff; --soft: #f4f6f8; --line: #d5dbe1; --hatch: #8794a1;
  --text: #1b2127; --muted: #5a6672;
  --link: #0b5cad; --value: #1f6fb4; --value1: #0f7f86; --value2: #7a5a00; --value3: #5d5fb8; --score: #7d3fa8;
  --event: #f2b84b66; --found: #12803c; --false: #c8281e; --best: #e2f3e6; --worst: #fbe3df; --warn: #fdf3dc; }
@media screen and (prefers-color-scheme: dark) { :root { --back: #14181c; --soft: #1d2329;
  --line: #38424c; --hatch: #76848f; --text: #e6eaee; --muted: #9fabb7;
  --link: #7db7f0; --value: #6fb1ec; --value1: #58c4c8; --value2: #d8b45a;
  --value3: #a9a9f2; --score: #cf9bf0; --event: #c98a1a66; --found: #4fcf7c; --false: #ff7b6e; --best: #16391f;
  --worst: #4a1f1c; --warn: #3a2f14; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0 auto; padding: 28px 32px 60px; max-width: 1240px; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, "Segoe UI", "Liberation Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 38px 0 8px; padding-top: 10px; border-top: 1px solid var(--line); }
h3 { font-size: 16px; margin: 0 0 2px; overflow-wrap: anywhere; }
p { max-width: 90ch; margin: 6px 0; }
.lead { font-size: 17px; }
.small, caption, nav { color: var(--muted); font-size: 13.5px; }
a { color: var(--link); }
nav a { margin-right: 14px; white-space: nowrap; }
.warning { background: var(--warn); padding: 8px 12px; border-radius: 4px; }
ul { max-width: 90ch; padding-left: 20px; margin: 6px 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 18px; margin: 10px 0; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
code { font: 13px/1.45 ui-monospace, "Liberation Mono", "DejaVu Sans Mono", monospace; }
.scroll { overflow-x: auto; margin: 12px 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; }
caption { text-align: left; padding: 0 0 6px; min-width: min(60ch, 90vw); }
th, td { padding: 4px 9px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th { color: var(--muted); font-weight: 600; vertical-align: bottom; }
thead th[scope=colgroup] { text-align: center; border-left: 1px solid var(--line); }
th:first-child, .words { text-align: left; }
tbody th { font-weight: 500; } .words { white-space: normal; }
tbody tr:hover { background: var(--soft); }
tr.baseline th, tr.baseline td, tr.published th, tr.published td { color: var(--muted); }
tr.rule > * { border-top: 2px solid var(--line); }
abbr { text-decoration: underline dotted var(--muted); text-underline-offset: 3px; cursor: help; }
.best { background: var(--best); } .worst { background: var(--worst); }
tbody tr td.best, tbody tr td.worst { color: var(--text); }
.yes { color: var(--found); } .no { color: var(--false); font-weight: 600; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
figure { margin: 22px 0 30px; }
figcaption { margin-bottom: 8px; }
figcaption .up { float: right; font-size: 13px; }
svg { display: block; width: 100%; height: auto; }
.definitions { position: absolute; width: 0; height: 0; }
svg text { font-size: 11px; fill: var(--muted); }
svg .title { fill: var(--text); font-size: 12px; font-weight: 600; }
svg .told, svg .scale, svg .last { text-anchor: end; }
svg .none, svg .axis text { text-anchor: middle; } svg .axis .first { text-anchor: start; }
svg .axis .last, svg .axis .scale { text-anchor: end; }
svg path { fill: none; stroke: none; vector-effect: non-scaling-stroke; }
svg .frame { stroke: var(--line); }
svg .value, svg .score { stroke-width: 1.1; stroke-linejoin: round; stroke-linecap: round; stroke: var(--value); }
svg .v1 { stroke: var(--value1); } svg .v2 { stroke: var(--value2); } svg .v3 { stroke: var(--value3); }
svg .score { stroke: var(--score); }
svg .event { fill: var(--event); } svg .unjudged { fill: url(#hatch); }
svg .hatch { stroke: var(--hatch); stroke-opacity: 0.6; }
svg .alert { stroke-width: 1; stroke-opacity: 0.5; }
svg .found { fill: var(--found); stroke: var(--found); } svg .false { fill: var(--false); stroke: var(--false); }
svg .unknown { fill: var(--muted); stroke: var(--muted); }
.key { display: flex; flex-wrap: wrap; gap: 6px 22px; padding: 0; list-style: none; max-width: none;
  font-size: 13.5px; }
.key svg { display: inline-block; width: 26px; height: 14px; vertical-align: -2px; margin-right: 6px; }
@media print { body { padding: 0; max-width: none; font-size: 10.5pt; } h2 { break-after: avoid; }
  .scroll { overflow: visible; } table { font-size: 8pt; } th, td { padding: 2px 5px; } figure { break-inside: avoid; }
  nav, .up { display: none; } .best, .worst, .warning { print-color-adjust: exact; } }
"""
