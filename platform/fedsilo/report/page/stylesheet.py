"""How the page looks: in the light, in the dark, on a phone and on paper."""

LIGHT = """
--paper:#ffffff; --panel:#f4f6f8; --ink:#1c2830; --faint:#566570; --rule:#d9e0e5; --warn:#8a3b00;
--c0:#0b5fa5; --c1:#c24e00; --c2:#00775a; --c3:#a03a86; --c4:#6a57b8; --c5:#806600; --level:#3f4d57;
"""

DARK = """
--paper:#12181d; --panel:#1c252c; --ink:#e6ecf0; --faint:#9fb0bb; --rule:#34424c; --warn:#ffb27a;
--c0:#62b0f2; --c1:#ff9a57; --c2:#4cc9a4; --c3:#e48fce; --c4:#b3a4f5; --c5:#d6bb4f; --level:#b9c6cf;
"""

LAYOUT = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans","Liberation Sans",sans-serif}
main{max-width:1120px;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.9rem;line-height:1.2;margin:0;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:0 0 .5rem}
.pair{display:grid;grid-template-columns:minmax(0,1fr);column-gap:3rem}
@media (min-width:1000px){.pair:not(:has(thead th:nth-child(9))){grid-template-columns:minmax(0,2fr) minmax(0,1fr)}}
h3{font-size:1rem;margin:1.2rem 0 .3rem}
section{margin-top:2.2rem;padding-top:1.2rem;border-top:1px solid var(--rule)}
p{margin:.35rem 0;overflow-wrap:anywhere}
.faint,figcaption{color:var(--faint);font-size:.9rem}
.pictures figcaption{margin-bottom:.3rem;color:var(--ink)}
.warning{color:var(--warn)}
.tiles{list-style:none;display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:.6rem;margin:1rem 0 0;
padding:0}
.tiles li{background:var(--panel);border-radius:8px;padding:.6rem .8rem}
.tiles b{display:block;font-size:1.5rem;line-height:1.25;font-weight:650}
.tiles span{display:block;font-size:.9rem}
.tiles small{color:var(--faint)}
.scroll{overflow:auto;max-width:100%;max-height:36rem;margin:.6rem 0}
.whole{max-height:none}
.scroll:focus-visible,summary:focus-visible,pre:focus-visible{outline:2px solid var(--c0)}
table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{padding:.28rem .8rem .28rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}
tbody th{font-weight:400}
thead th{color:var(--faint);font-weight:600;position:sticky;top:0;background:var(--paper)}
td,th{white-space:nowrap}
td code{white-space:normal}
.number{text-align:right;padding-left:.6rem}
code{font:.86em ui-monospace,"Cascadia Mono","Liberation Mono",monospace;overflow-wrap:anywhere}
pre{background:var(--panel);padding:.8rem;border-radius:8px;overflow:auto;max-height:36rem;margin:.5rem 0}
pre code{overflow-wrap:normal}
details{margin:.8rem 0}
summary{cursor:pointer;color:var(--c0)}
figure{margin:0}
"""

PICTURES = """
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:1.2rem;margin:.6rem 0}
.pictures figure{max-width:420px}
.smalls{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:.8rem;margin:.6rem 0}
.smalls circle{r:1.8px}
.smalls .line.c0{stroke-width:2}
.smalls figcaption b{color:var(--ink)}
.smalls figcaption{font-size:.82rem;line-height:1.35;margin-bottom:.15rem}
svg{display:block;width:100%;height:auto;overflow:visible}
.wide svg{min-width:640px;max-width:900px}
svg text{font-size:11.5px;fill:var(--ink);font-family:inherit}
svg .tick{fill:var(--faint)}
svg .end{text-anchor:end}
svg .middle{text-anchor:middle}
.grid{stroke:var(--rule);stroke-width:1}
.axis{stroke:var(--faint);stroke-width:1}
.line{fill:none;stroke-width:1.6;stroke-linejoin:round}
.line.c0{stroke-width:2.8}
.level{stroke:var(--level);stroke-width:1.4;stroke-dasharray:5 4}
.level.chance{stroke-dasharray:1.5 3.5}
.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}.c3{stroke:var(--c3)}.c4{stroke:var(--c4)}
.c5{stroke:var(--c5)}
.mark{stroke-width:1.6;fill:var(--paper)}
.bar{stroke:none}
.bar.c0{fill:var(--c0)}.bar.c1{fill:var(--c1)}.bar.c2{fill:var(--c2)}.bar.c3{fill:var(--c3)}.bar.c4{fill:var(--c4)}
.bar.c5{fill:var(--c5)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin:.5rem 0;padding:0;font-size:.9rem}
.legend li{display:flex;align-items:center;gap:.45rem}
svg.key{width:30px;height:12px}
svg.square{width:12px;height:12px}
svg.scale{display:inline-block;width:150px;height:12px;vertical-align:middle}
.pixels{image-rendering:pixelated}
.paper{background:#ffffff;border-radius:8px;max-height:none}
.paper img{display:block;width:100%;min-width:560px;max-width:1000px;height:auto}
"""

PRINT = """
body{font-size:10.5pt}
main{max-width:none;padding:0}
.scroll,pre{max-height:none;overflow:visible}
details::details-content{content-visibility:visible;display:block;height:auto}
.paper img{min-width:0;max-width:100%;width:auto;max-height:20cm}
figure,tr,.tiles li{break-inside:avoid}
h2,summary{break-after:avoid}
"""

STYLE = (
    f":root{{color-scheme:light dark;{LIGHT}}}\n"
    f"@media (prefers-color-scheme:dark){{:root{{{DARK}}}}}\n"
    f"{LAYOUT}{PICTURES}"
    f"@media print{{:root{{color-scheme:light;{LIGHT}}}\n{PRINT}}}\n"
)
"""The style sheet. On paper it is always light."""
