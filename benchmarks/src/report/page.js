"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const traces = JSON.parse(byId("data").textContent);
  const labels = JSON.parse(byId("labels").textContent);
  const PAGE = 100;
  const WORDS = { correct: "correct", wrong: "wrong", no_answer: "none", truncated: "cut", error: "failed" };
  let found = [];
  let shown = 0;

  // Text from models and files only ever becomes text nodes.
  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const round = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))));
  const bytes = (value) => (value < 1000 ? `${value} B` : value < 1e6 ? `${round(value / 1e3)} kB` : `${round(value / 1e6)} MB`);
  const parts = (pairs) => pairs.filter(([value]) => value > 0).map(([value, words]) => words(value)).join(" · ");

  const turn = (agent) => {
    const { ledger, times } = agent;
    const made = element("div", "turn");
    made.append(element("h4", "", `${agent.role} (${agent.model})`));
    const tokens = parts([
      [ledger.prefill, (n) => `${n} tokens read${ledger.pasted ? `, ${ledger.pasted} of them pasted` : ""}`],
      [ledger.reused, (n) => `${n} reused`],
      [ledger.latent, (n) => `${n} latent`],
      [ledger.decoded, (n) => `${n} written`],
      [ledger.wire_bytes, (n) => `${bytes(n)} received`],
    ]);
    const spent = parts([
      [times.prefill_ms, (n) => `reading ${round(n)} ms`],
      [times.latent_ms, (n) => `latent ${round(n)} ms`],
      [times.encode_ms, (n) => `encode ${round(n)} ms`],
      [times.decode_ms, (n) => `decode ${round(n)} ms`],
      [times.generate_ms, (n) => `writing ${round(n)} ms`],
    ]);
    made.append(element("p", "", tokens), element("p", "", spent));
    made.append(agent.text ? element("pre", "", agent.text) : element("p", "", "wrote nothing"));
    return made;
  };

  const fill = (details, trace) => {
    const facts = [`gold: ${trace.gold}`, `answer: ${trace.answer ?? "none"}`, `prompt to one agent: ${trace.prompt_tokens} tokens`];
    if (trace.nll !== undefined) facts.push(`gold answer: ${round(trace.nll)} nats over ${trace.nll_tokens} tokens`);
    Object.entries(trace.marks ?? {}).forEach(([name, mark]) => facts.push(`${name}: ${round(mark)}`));
    const joules = Object.values(trace.energy_j ?? {}).reduce((sum, part) => sum + part, 0);
    if (joules > 0) facts.push(`energy: ${round(joules)} J`);
    details.append(element("p", "note", facts.join(" · ")));
    if (trace.error) details.append(element("pre", "", trace.error));
    trace.agents.forEach((agent) => details.append(turn(agent)));
  };

  const row = (trace) => {
    const details = element("details");
    const summary = element("summary");
    const times = trace.replicate > 0 ? ` #${trace.replicate + 1}` : "";
    summary.append(
      element("span", trace.outcome, WORDS[trace.outcome]),
      element("span", "arm", labels[trace.arm] ?? trace.arm),
      element("span", "item", `${trace.item}${times} · ${trace.layout}`),
      element("span", "said", trace.answer ?? "–"),
      element("span", "time", `${round(trace.wall_ms)} ms`),
    );
    details.append(summary);
    details.addEventListener("toggle", () => details.childElementCount === 1 && fill(details, trace), { once: true });
    return details;
  };

  const more = () => {
    const rows = found.slice(shown, shown + PAGE).map(row);
    byId("items").append(...rows);
    shown += rows.length;
    byId("more").hidden = shown >= found.length;
  };

  const holds = (trace, text) =>
    [trace.item, trace.gold, trace.answer ?? "", trace.error ?? "", ...trace.agents.map((agent) => agent.text)].some((part) =>
      part.toLowerCase().includes(text),
    );

  const whole = byId("count").textContent;
  const filter = () => {
    const [setting, arm, outcome] = ["setting", "arm", "outcome"].map((id) => byId(id).value);
    const text = byId("text").value.trim().toLowerCase();
    found = traces.filter(
      (trace) =>
        (!setting || setting === `${trace.task}, ${trace.layout}`) &&
        (!arm || arm === trace.arm) &&
        (!outcome || outcome === trace.outcome) &&
        (!text || holds(trace, text)),
    );
    shown = 0;
    byId("items").replaceChildren();
    byId("count").textContent = found.length === traces.length ? whole : `${found.length} of ${traces.length} answers.`;
    more();
  };

  byId("filters").addEventListener("input", filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("more").addEventListener("click", more);
  filter();
})();
