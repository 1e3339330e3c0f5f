"""What a model might write to break out of a page; each would set `window.broken` if it ran."""

TEXTS = (
    "</script><script>window.broken = 1</script>",
    '<img src=x onerror="window.broken = 1">',
    "<!-- <script>",
    "]]>--><svg onload=window.broken=1>",
    "line\u2028and paragraph\u2029separators",
    "zero \x00 escape \x1b[31m bell \x07",
    "right to left \u202e gpj.exe \u2066 isolate",
    "{{ 7 * 7 }} ${window.broken = 1} `%{x}`",
    "\\u003cscript\\u003ewindow.broken=1\\u003c/script\\u003e",
    "<a href='javascript:window.broken=1'>link</a> &lt;b&gt; &amp;",
)
NAME = '<img src=x onerror="window.broken=1"></script><b>model</b> \u202e'
