"use strict";

// Draws the figures, which come without colours, in those of the theme; each when it comes near.
const charts = (() => {
  const RUNS = 8;
  const figures = JSON.parse(document.getElementById("figures-data").textContent);

  // Plotly cannot read CSS variables.
  const probe = document.body.appendChild(document.createElement("span"));
  probe.hidden = true;
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const translucent = (rgb, share) => rgb.replace("rgb(", "rgba(").replace(")", `, ${share})`);

  const theme = () => ({
    ink: colour("--ink"),
    muted: colour("--muted"),
    line: colour("--line"),
    raised: colour("--raised"),
    runs: Array.from({ length: RUNS }, (_, run) => colour(`--run-${run}`)),
  });

  // Signs repeat after eight runs; the colours are then shifted, so that no two runs look alike.
  const shade = (run) => (run + 3 * Math.floor(run / RUNS)) % RUNS;

  function paintedTrace(trace, colours) {
    const own = colours.runs[shade(trace.meta)];
    const painted = { ...trace };
    if (trace.marker) painted.marker = { ...trace.marker, color: own };
    if (trace.mode.includes("lines")) painted.line = { ...trace.line, color: own };
    for (const bars of ["error_x", "error_y"]) {
      if (trace[bars]) painted[bars] = { ...trace[bars], color: own };
    }
    if (trace.fill) painted.fillcolor = translucent(own, 0.12);
    return painted;
  }

  function paintedLayout(layout, colours) {
    const axis = {
      gridcolor: colours.line,
      linecolor: colours.line,
      zerolinecolor: colours.line,
      fixedrange: true,
    };
    return {
      ...layout,
      autosize: true,
      dragmode: false,
      hovermode: "closest",
      margin: { l: 8, r: 12, t: 8, b: 30, pad: 4 },
      showlegend: false,
      paper_bgcolor: "transparent",
      plot_bgcolor: "transparent",
      font: { color: colours.ink, size: 13, family: getComputedStyle(document.body).fontFamily },
      hoverlabel: { bgcolor: colours.raised, bordercolor: colours.line, font: { color: colours.ink }, align: "left" },
      xaxis: { ...axis, ...layout.xaxis },
      yaxis: { ...axis, automargin: true, ...layout.yaxis },
      shapes: (layout.shapes || []).map((shape) => ({ ...shape, line: { ...shape.line, color: colours.muted } })),
    };
  }

  const places = Array.from(document.querySelectorAll(".chart"));
  let colours = theme();

  function draw(place) {
    const { data, layout } = figures[place.dataset.figure];
    const painted = data.map((trace) => paintedTrace(trace, colours));
    place.dataset.drawn = "yes";
    return Plotly.react(place, painted, paintedLayout(layout, colours), { displayModeBar: false, responsive: true });
  }

  function repaint() {
    colours = theme();
    return Promise.all(places.filter((place) => place.dataset.drawn).map(draw));
  }

  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      draw(target);
    }
  }, { rootMargin: "400px" });

  function drawAll() {
    near.disconnect();
    places.forEach((place) => { place.dataset.drawn = "yes"; });
    return repaint();
  }

  // Twice the pixels of the page, for slides and papers.
  function save(button) {
    const figure = button.closest("figure");
    const place = figure.querySelector(".chart");
    const filename = figure.querySelector("h3").textContent.toLowerCase().replace(/[^a-z0-9]+/g, "-");
    const { width, height } = place.getBoundingClientRect();
    return draw(place).then(() => Plotly.downloadImage(place, { format: button.dataset.save, filename, width, height, scale: 2 }));
  }

  document.querySelectorAll("[data-save]").forEach((button) => button.addEventListener("click", () => save(button)));
  places.forEach((place) => near.observe(place));
  return { repaint, drawAll };
})();
