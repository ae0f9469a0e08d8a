/** The looks of the report: light and dark as the reader's system is, and for print. */
export const style = `
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b2330;--soft:#566072;--line:#d9dee6;--ok:#17704a;--okbg:#e3f4ea;--bad:#b3261e;--badbg:#fdeceb;--warn:#8a5a00;--warnbg:#fdf3dc;--link:#1a5fb4;--code:#eef1f5}
@media (prefers-color-scheme:dark){:root{--bg:#12161d;--card:#1a2029;--ink:#e6eaf0;--soft:#9aa6b8;--line:#2f3846;--ok:#6fd3a0;--okbg:#15301f;--bad:#ff8f86;--badbg:#3a1b1a;--warn:#f0c060;--warnbg:#35290f;--link:#8ab8ff;--code:#242c38}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main,header,footer{max-width:1080px;margin:0 auto;padding:0 20px}
header{padding-top:36px}
h1{font-size:1.7rem;margin:0 0 4px;letter-spacing:-.01em}
h2{font-size:1.3rem;line-height:1.3;margin:0 0 6px;letter-spacing:-.01em}
h3{font-size:1rem;margin:26px 0 8px}
h4{font-size:.95rem;margin:0 0 6px}
p{margin:0 0 10px}
a{color:var(--link)}
a:focus-visible,summary:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:4px}
.soft{color:var(--soft)}
.small{font-size:.86rem}
code,pre,.mono{font-family:ui-monospace,"SF Mono",Menlo,Consolas,monospace;font-size:.85em}
code{background:var(--code);padding:.1em .35em;border-radius:4px}
pre{background:var(--code);padding:12px 14px;border-radius:8px;overflow-x:auto;margin:0 0 10px;white-space:pre-wrap;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:7px 10px;border-bottom:1px solid var(--line);vertical-align:top;font-size:.9rem}
th{color:var(--soft);font-weight:600;font-size:.78rem;text-transform:uppercase;letter-spacing:.04em}
.card,article{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:22px 24px;margin:22px 0}
.wide{overflow-x:auto}
.tag{display:inline-block;font-size:.78rem;font-weight:600;padding:1px 9px;border-radius:99px;white-space:nowrap;border:1px solid currentColor}
.ok>.tag,.tag.ok{color:var(--ok);background:var(--okbg)}
.tag.bad{color:var(--bad);background:var(--badbg)}
.tag.warn{color:var(--warn);background:var(--warnbg)}
.tag.plain{color:var(--soft);background:var(--code)}
.ends{display:grid;grid-template-columns:1fr 1fr;gap:14px;margin:10px 0}
@media (max-width:760px){.ends{grid-template-columns:1fr}}
.end{border:1px solid var(--line);border-radius:10px;padding:14px 16px;min-width:0;overflow-wrap:anywhere}
.end.refuses{border:2px solid var(--bad)}
.says{border-left:4px solid var(--line);padding:2px 0 2px 12px;margin:10px 0 0;font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.84rem}
.refuses .says{border-color:var(--bad)}
dl{margin:0;display:grid;grid-template-columns:max-content 1fr;gap:2px 12px;font-size:.86rem}
dt{color:var(--soft)}dd{margin:0;min-width:0;overflow-wrap:anywhere}
.chain{list-style:none;margin:0 0 8px;padding:0}
.chain li{border:1px dashed var(--line);border-radius:8px;padding:8px 10px;margin:0 0 6px}
.facts{display:flex;flex-wrap:wrap;gap:8px;margin:0 0 10px;align-items:center}
.refusal{border-top:1px solid var(--line);padding-top:16px;margin-top:18px}
ul.plainlist{margin:0 0 10px;padding-left:1.2em}
summary{cursor:pointer;color:var(--soft);font-size:.9rem}
details{margin:12px 0 0}
.mesh{width:100%;height:auto;max-height:470px;display:block;margin:10px 0}
.box rect{fill:var(--card);stroke:var(--soft);stroke-width:1.5}
.box text{fill:var(--ink);font:600 13px system-ui,sans-serif;text-anchor:middle}
.box.small text{font-size:11.5px}
.box.refuses rect{stroke:var(--bad);stroke-width:3}
.line path{fill:none;stroke:var(--ok);stroke-width:1.5;opacity:.75}
.line .head{fill:var(--ok);stroke:none}
.line.refused path{stroke:var(--bad);stroke-width:3;stroke-dasharray:9 5;opacity:1}
.line.refused .head{fill:var(--bad);stroke:none}
.line.unreachable path,.line.unknown path{stroke:var(--warn);stroke-width:2.5;stroke-dasharray:2 5;opacity:1}
.line.unreachable .head,.line.unknown .head{fill:var(--warn);stroke:none}
.mark{fill:var(--bad);stroke:var(--card);stroke-width:2}
.unreachable .mark,.unknown .mark{fill:var(--warn)}
.sign{fill:var(--card);font:700 13px system-ui,sans-serif;text-anchor:middle}
.legend{display:flex;flex-wrap:wrap;gap:6px 20px;margin:0;padding:0;list-style:none;font-size:.82rem;color:var(--soft)}
footer{padding-bottom:40px;color:var(--soft);font-size:.85rem}
.skip{position:absolute;left:-999px}.skip:focus{left:12px;top:12px;background:var(--card);padding:6px 12px}
@media print{body{background:#fff}article{break-inside:avoid-page;border-color:#999}}
`
