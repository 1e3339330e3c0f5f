"use strict";

// The browser of samples. Only the page that is shown is in the document, and every text is put
// there as text.
(() => {
  const PAGE = 25;
  const ALL = "";
  const packed = JSON.parse(document.getElementById("samples-data").textContent);
  const runs = JSON.parse(document.getElementById("runs-data").textContent);
  if (!packed.total) return;

  const { sets, views, texts, lengths, samples } = packed;
  const field = Object.fromEntries(
    ["filters", "search", "profiler", "run", "group", "score", "least", "most", "order", "reveal",
      "first", "count", "list", "previous", "page", "next"].map((id) => [id, document.getElementById(id)]),
  );
  let found = [];
  let page = 0;

  // A group may be a path with a thousand ends: its first two parts are enough to choose by.
  const coarse = (group) => group.split("/").slice(0, 2).join("/");
  const groups = samples.group.map(coarse);
  const setsShown = () => sets.filter((set) => field.profiler.value === ALL || set.profiler === field.profiler.value);
  const distinct = (values) => Array.from(new Set(values));

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function fill(select, first, options) {
    const before = select.value;
    select.replaceChildren(new Option(first, ALL), ...options.map(([value, label]) => new Option(visible(String(label)), value)));
    select.value = options.some(([value]) => String(value) === before) ? before : ALL;
  }

  function offer() {
    const profiler = field.profiler.value;
    const places = samples.set.map((_, place) => place).filter((place) => profiler === ALL || sets[samples.set[place]].profiler === profiler);
    const named = profiler === ALL ? [] : distinct(places.map((place) => groups[place])).sort();
    fill(field.group, profiler === ALL ? "choose a profile first" : "all", named.map((name) => [name, name]));
    field.group.disabled = named.length < 2;
    const scores = profiler === ALL ? [] : distinct(setsShown().flatMap((set) => set.scores));
    fill(field.score, profiler === ALL ? "choose a profile first" : "any", scores.map((name) => [name, name]));
    field.score.disabled = !scores.length;
    offerOrder();
  }

  function offerOrder() {
    const score = field.score.value;
    const byScore = score === ALL ? [] : [["down", `${score}, highest first`], ["up", `${score}, lowest first`]];
    fill(field.order, "the profile's own order", byScore);
    for (const end of [field.least, field.most]) end.disabled = score === ALL;
  }

  const scoreOf = (place, name) => {
    const set = sets[samples.set[place]];
    const value = samples.scores[place][set.scores.indexOf(name)];
    return value === undefined ? null : value;
  };

  // Each text is searched once, however many samples share it.
  function matching(words) {
    if (!words) return () => true;
    const pattern = new RegExp(words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "iu");
    const hits = texts.map((text) => pattern.test(text));
    return (place) => hits[samples.prompt[place]] || hits[samples.response[place]] || pattern.test(samples.item[place]);
  }

  function find() {
    const matches = matching(field.search.value.trim());
    const profiler = field.profiler.value;
    const run = field.run.value;
    const group = field.group.value;
    const score = field.score.value;
    const least = field.least.value === "" ? -Infinity : Number(field.least.value);
    const most = field.most.value === "" ? Infinity : Number(field.most.value);
    const wanted = sets.map((set) => (profiler === ALL || set.profiler === profiler) && (run === ALL || String(set.run) === run));
    found = [];
    for (let place = 0; place < samples.set.length; place += 1) {
      if (!wanted[samples.set[place]] || (group !== ALL && groups[place] !== group)) continue;
      if (score !== ALL) {
        const value = scoreOf(place, score);
        if (value === null || value < least || value > most) continue;
      }
      if (matches(place)) found.push(place);
    }
    const order = field.order.value;
    if (order !== ALL) {
      const sign = order === "up" ? 1 : -1;
      found.sort((a, b) => sign * (scoreOf(a, score) - scoreOf(b, score)) || a - b);
    }
    else if (profiler !== ALL || Object.keys(views).length === 1) {
      // One order over all runs; what has no rank is last.
      const rank = (place) => samples.rank[place] ?? -Infinity;
      found.sort((a, b) => (rank(a) === rank(b) ? a - b : rank(b) - rank(a)));
    }
    page = 0;
    show();
  }

  // What turns the direction of writing or cannot be seen is shown by its number.
  const visible = (text) => text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Cs}/gu,
    (character) => {
      const code = character.charCodeAt(0).toString(16);
      return code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
    },
  );

  const shortened = (value) => (value === null ? "" : value.toLocaleString("en", { maximumSignificantDigits: 3 }));

  function text(place, column, id) {
    const which = samples[column][place];
    const shown = element("dd", "text", which === null ? "(none)" : visible(texts[which]));
    shown.dir = "auto";
    if (which === null || !(which in lengths)) return [shown];
    const whole = `… cut; all ${lengths[which].toLocaleString("en")} characters: llmprof sql "SELECT ${column} FROM samples WHERE id = ${id}"`;
    return [shown, element("dd", "muted", whole)];
  }

  function sample(place) {
    const set = sets[samples.set[place]];
    const view = views[set.profiler];
    const id = samples.id[place];
    const row = element("li");
    const details = element("details", "sample");
    details.open = field.reveal.checked;

    const about = element("summary");
    const model = element("span");
    const sign = element("span", "sign");
    sign.dataset.run = set.run % 8;
    sign.dataset.shade = (set.run + 3 * Math.floor(set.run / 8)) % 8;
    sign.setAttribute("aria-hidden", "true");
    model.append(sign, ` ${visible(runs[set.run])}`);
    const data = set.dataset === set.profiler ? set.profiler : `${set.profiler} on ${set.dataset}`;
    about.append(element("span", "rank", shortened(samples.rank[place])), model, element("span", "", visible(data)));
    if (samples.group[place] !== "overall") about.append(element("span", "", visible(samples.group[place])));
    const item = samples.index[place] ? `${samples.item[place]}, response ${samples.index[place] + 1}` : samples.item[place];
    about.append(element("small", "", visible(item)));
    if (samples.error[place]) about.append(element("small", "", visible(samples.error[place])));

    const list = element("dl");
    if (texts[samples.prompt[place]]) list.append(element("dt", "", view.prompt), ...text(place, "prompt", id));
    list.append(element("dt", "", view.response), ...text(place, "response", id));
    const scores = element("div", "scores");
    set.scores.forEach((name) => {
      const value = scoreOf(place, name);
      if (value !== null) scores.append(element("span", "", `${name} ${value}`));
    });
    details.append(about, list, scores);
    row.append(details);
    return row;
  }

  function show() {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    field.list.replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map(sample));
    field.count.textContent = `${found.length.toLocaleString("en")} samples`;
    field.page.textContent = `Page ${(page + 1).toLocaleString("en")} of ${pages.toLocaleString("en")}`;
    field.previous.disabled = page === 0;
    field.next.disabled = page >= pages - 1;
    const { order } = views[field.profiler.value] || { order: "each profile's own; choose a profile to see what comes first in it" };
    field.first.textContent = `Order: ${order}. The number on the left is what orders.`;
  }

  function turn(by) {
    page += by;
    show();
    field.count.scrollIntoView();
  }

  fill(field.profiler, "all", Object.keys(views).map((name) => [name, name]));
  fill(field.run, "all", distinct(sets.map((set) => set.run)).map((run) => [run, runs[run]]));
  offer();
  find();
  let waiting;
  field.search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(find, 150);
  });
  field.profiler.addEventListener("change", () => { offer(); find(); });
  field.score.addEventListener("change", () => { offerOrder(); find(); });
  for (const name of ["run", "group", "order"]) field[name].addEventListener("change", find);
  for (const name of ["least", "most"]) field[name].addEventListener("input", find);
  field.reveal.addEventListener("change", show);
  field.previous.addEventListener("click", () => turn(-1));
  field.next.addEventListener("click", () => turn(1));
  field.filters.addEventListener("submit", (event) => event.preventDefault());
  field.filters.addEventListener("reset", () => setTimeout(() => { offer(); find(); }));
  performance.mark("samples");
})();
