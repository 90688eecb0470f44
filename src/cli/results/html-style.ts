/** The style sheet of the report: plain and calm, for light and dark screens and for paper. */
export const style = `
:root { color-scheme: light dark; --text: #1c2024; --soft: #5a626b; --line: #d5d9de; --back: #fff; --field: #f5f6f8;
  --bad: #b3261e; --good: #1b6e3c; --wait: #7a5200; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e7ea; --soft: #a3abb4; --line: #3a4047; --back: #16191c;
  --field: #202428; --bad: #ff9a91; --good: #7fd19b; --wait: #e8c07a; } }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.25rem 4rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 .5rem; font-size: 1.2rem; }
.lead { margin: .25rem 0 1.5rem; font-size: 1.1rem; }
.note { color: var(--soft); }
.failed { color: var(--bad); } .succeeded { color: var(--good); } .pending { color: var(--wait); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
code, pre { font: .875rem/1.45 ui-monospace, monospace; }
form { display: flex; flex-wrap: wrap; gap: .75rem 1.25rem; align-items: end; margin: 1rem 0; }
label { display: grid; gap: .2rem; color: var(--soft); font-size: .875rem; }
label.wide { flex: 1 1 18rem; }
input, select, button { padding: .4rem .6rem; border: 1px solid var(--soft); border-radius: .3rem; background: var(--field);
  color: var(--text); font: inherit; }
:focus-visible { outline: 3px solid #4c8dff; outline-offset: 2px; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; }
caption { padding: .25rem 0; text-align: left; color: var(--soft); }
th, td { padding: .45rem .75rem .45rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { color: var(--soft); font-size: .875rem; font-weight: 600; white-space: nowrap; }
tbody th { min-width: 16rem; font-weight: 400; overflow-wrap: anywhere; }
td { white-space: nowrap; } td.value, th.value { min-width: 4rem; white-space: normal; overflow-wrap: anywhere; }
.number { padding-right: 1.25rem; text-align: right; font-variant-numeric: tabular-nums; }
.reason { color: var(--bad); }
summary { width: max-content; color: var(--soft); font-size: .875rem; cursor: pointer; }
pre { max-height: 30rem; margin: .4rem 0; padding: .6rem .8rem; overflow: auto; background: var(--field);
  border: 1px solid var(--line); border-radius: .3rem; white-space: pre-wrap; overflow-wrap: anywhere; }
@media print { body { max-width: none; padding: 0; } form, #more, summary { display: none; }
  pre { max-height: none; } thead { display: table-header-group; } tr { break-inside: avoid; } }
`;
