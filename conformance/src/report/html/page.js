"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const rows = [...document.querySelectorAll("details.row")];
  const areas = [...document.querySelectorAll("section.area")];
  const form = byId("filters");
  const count = byId("count");
  const whole = count.textContent;
  const words = new Map();

  // Long dumps are read once, and only when somebody searches.
  const wordsOf = (row) => {
    if (!words.has(row)) words.set(row, row.textContent.toLowerCase());
    return words.get(row);
  };

  const filter = () => {
    const [verdict, area, level] = ["verdict", "area", "level"].map((id) => byId(id).value);
    const wanted = byId("text").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits =
        (!verdict || row.dataset.verdict === verdict) &&
        (!area || row.dataset.area === area) &&
        (!level || row.dataset.level === level) &&
        wanted.every((word) => wordsOf(row).includes(word));
      row.hidden = !fits;
      if (fits) shown += 1;
    }
    for (const section of areas) section.hidden = !section.querySelector("details.row:not([hidden])");
    count.textContent = shown === rows.length ? whole : `${shown} of ${whole}`;
  };

  const setAll = (open) => rows.forEach((row) => row.hidden || (row.open = open));

  // A link to what a filter hides, or to what is closed, shows it.
  const follow = () => {
    const target = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    const row = target.closest("details.row") ?? target.querySelector(":scope > details.row");
    if (row && (row.hidden || target.hidden)) {
      form.reset();
      filter();
    }
    if (target.closest("details.row")) row.open = true;
    target.scrollIntoView();
  };

  let before = [];
  addEventListener("beforeprint", () => {
    before = rows.filter((row) => !row.open && row.querySelector(".miss"));
    before.forEach((row) => (row.open = true));
  });
  addEventListener("afterprint", () => before.forEach((row) => (row.open = false)));

  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("open").addEventListener("click", () => setAll(true));
  byId("close").addEventListener("click", () => setAll(false));
  addEventListener("hashchange", follow);
  // A browser keeps what was chosen when a page is loaded again.
  filter();
  follow();
})();
