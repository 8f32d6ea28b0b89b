"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const rows = [...byId("rows").children];
  const text = new Map();
  const filter = () => {
    const [show, area, level, by] = ["show", "area", "level", "by"].map((id) => byId(id).value);
    const wanted = byId("text").value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const { area: own, level: weight, differs, by: missed } = row.dataset;
      if (wanted && !text.has(row)) text.set(row, row.textContent.toLowerCase());
      const fits =
        (show !== "missed" || missed.trim() !== "") &&
        (show !== "differs" || differs === "1") &&
        (!area || area === own) &&
        (!level || level === weight) &&
        (!by || missed.includes(` ${by} `)) &&
        (!wanted || text.get(row).includes(wanted));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    byId("count").textContent = `${shown} of ${rows.length} requirements shown.`;
  };
  // Whoever follows a link to a requirement finds it, filtered out or not.
  const reveal = () => {
    const row = rows.find((row) => `#${row.id}` === location.hash);
    if (!row) return;
    row.hidden = false;
    row.open = true;
    row.scrollIntoView();
  };
  byId("filters").hidden = false;
  byId("filters").addEventListener("input", filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", reveal);
  filter();
  reveal();
})();
