"use strict";

// Orders the leaderboard, and shows values or z-scores; without it, the best run comes first.
(() => {
  const table = document.getElementById("board");
  if (!table) return;
  const body = table.tBodies[0];
  const order = document.getElementById("board-order");
  const cells = document.getElementById("board-cells");
  const together = document.getElementById("board-together");

  table.querySelectorAll("thead [data-column]").forEach((head) => {
    order.add(new Option(head.textContent, head.dataset.column));
  });

  const rank = (row) => {
    const text = row.cells[order.value].dataset.rank;
    return text === "" ? -Infinity : Number(text);
  };

  function sort() {
    const rows = Array.from(body.rows).sort((a, b) => rank(b) - rank(a) || a.dataset.place - b.dataset.place);
    if (together.checked) {
      const models = Array.from(new Set(rows.map((row) => row.dataset.model)));
      rows.sort((a, b) => models.indexOf(a.dataset.model) - models.indexOf(b.dataset.model));
    }
    body.append(...rows);
  }

  order.addEventListener("change", sort);
  together.addEventListener("change", sort);
  cells.addEventListener("change", () => { table.dataset.cells = cells.value; });
})();
