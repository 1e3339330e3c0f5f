"use strict";

// Theme and printing.
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  function name() {
    button.textContent = isDark() ? "Light theme" : "Dark theme";
  }

  function repaint() {
    name();
    return charts.repaint();
  }

  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    repaint();
  });
  system.addEventListener("change", repaint);

  // On paper the light theme, without samples; tables of all numbers as far as they are open.
  let closed = [];
  let theme;
  addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    closed = Array.from(document.querySelectorAll("main details:not([open]):not(.table):not(.items):not(#runs details)"));
    closed.forEach((details) => { details.open = true; });
    root.dataset.theme = "light";
    // Charts are drawn before the paper's width holds.
    root.classList.add("printed");
    // A table of many runs shrinks to the paper's width, which has no scroll bar.
    document.querySelectorAll(".scroll").forEach((each) => {
      each.style.setProperty("--print-zoom", Math.min(1, each.clientWidth / each.scrollWidth));
    });
    charts.drawAll();
  });
  addEventListener("afterprint", () => {
    closed.forEach((details) => { details.open = false; });
    root.classList.remove("printed");
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    repaint();
  });

  name();
})();
