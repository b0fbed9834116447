"use strict";
// Charts, sorting, tooltips, and the runs behind a number. The page can be read without it.

const read = (id) => JSON.parse(document.getElementById(id).textContent);

// The library that draws is in the page as gzip, a third of its size.
async function library() {
  const bytes = Uint8Array.from(atob(document.getElementById("vega").textContent), (letter) => letter.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  document.head.append(element("script", await new Response(plain).text()));
}
const loaded = library();

async function draw(place, spec) {
  await loaded;
  return vegaEmbed(place, spec, { actions: false, renderer: "svg", tooltip: { theme: "custom" } });
}

function element(name, text, attributes = {}) {
  const made = Object.assign(document.createElement(name), attributes);
  if (text !== undefined) made.textContent = text;
  return made;
}

const charts = [...document.querySelectorAll(".chart")].map(async (place) => {
  const { view } = await draw(place, read(place.dataset.spec));
  place.view = view;
  return view;
});

// Controls of a section set the signals of all its charts, and hide those that would be empty.
async function choose(select) {
  await Promise.all(charts);
  for (const place of select.closest("section").querySelectorAll(".chart")) {
    const { signal } = select.dataset;
    const filled = read(place.dataset.spec).usermeta?.[signal];
    if (filled) place.closest("figure").hidden = !filled.includes(select.value);
    if (!filled || filled.includes(select.value)) place.view.signal(signal, select.value).runAsync();
  }
  dispatchEvent(new Event("resize"));  // what was hidden had no width
}
for (const select of document.querySelectorAll("select[data-signal]")) {
  select.addEventListener("change", () => choose(select));
  choose(select);
}

// One of several tables is shown.
const tables = [...document.querySelectorAll(".numbers")];
for (const radio of document.querySelectorAll("input[name=numbers]")) {
  const choose = () => tables.forEach((table) => { table.hidden = table.id !== radio.value; });
  radio.addEventListener("change", choose);
  if (radio.checked) choose();
}

// Sorting: by number, downwards first; by text where a column has none. What is missing comes last.
function key(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.value === undefined) return cell.textContent.trim();
  return cell.dataset.value === "" ? null : Number(cell.dataset.value);
}

function sort(button) {
  const heading = button.closest("th");
  const table = heading.closest("table");
  const column = heading.cellIndex;
  const first = column === 0 ? "ascending" : "descending";
  const other = { ascending: "descending", descending: "ascending" };
  const old = heading.getAttribute("aria-sort");
  const order = old === "none" ? first : other[old];
  for (const each of heading.parentNode.cells) each.setAttribute("aria-sort", each === heading ? order : "none");
  const sign = order === "ascending" ? 1 : -1;
  for (const body of table.tBodies) {
    const rows = [...body.rows].map((row) => [key(row, column), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
    });
    body.append(...rows.map(([, row]) => row));
  }
}

// Tooltips: on hover, on focus, and away with Escape.
const tip = document.getElementById("tip");
function show(target) {
  tip.textContent = target.dataset.about;
  tip.hidden = false;
  const box = target.getBoundingClientRect();
  const left = Math.min(box.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(8, left) + window.scrollX}px`;
  tip.style.top = `${box.bottom + 4 + window.scrollY}px`;
  target.setAttribute("aria-describedby", "tip");
}
function hide() {
  tip.hidden = true;
}
for (const [enter, leave] of [["mouseover", "mouseout"], ["focusin", "focusout"]]) {
  document.addEventListener(enter, (event) => {
    const cell = event.target.closest?.(".cell");
    if (cell) show(cell);
  });
  document.addEventListener(leave, hide);
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

// The runs behind a number.
const dialog = document.getElementById("runs");
const known = read("runs-data");

function open(cell) {
  hide();
  const runs = cell.dataset.runs.split(" ").map((place) => known.runs[place]);
  const heading = cell.closest("tr").cells[0].textContent.trim();
  const column = cell.closest("table").tHead.rows[0].cells[cell.closest("td").cellIndex].textContent.trim();
  document.getElementById("runs-title").textContent = `${heading}, ${column}: ${cell.textContent.trim()}`;
  document.getElementById("runs-about").textContent = cell.dataset.about;
  const scores = known.scores[runs[0].scores];
  const columns = ["run", "task", "method", "seed", scores.target, scores.source, "device"];
  const [head] = dialog.querySelector("thead").rows;
  head.replaceChildren(...columns.map((name) => element("th", name, { scope: "col" })));
  dialog.querySelector("tbody").replaceChildren(...runs.map(line));
  document.getElementById("runs-more").replaceChildren(...more(runs));
  const names = [scores.both, ...new Set(runs.flatMap((run) => Object.keys(run.curves)))];
  const select = document.getElementById("runs-curve");
  select.replaceChildren(...names.map((name) => element("option", name)));
  select.onchange = () => draw("#runs-chart", filled(runs, select.value));
  dialog.showModal();
  select.onchange();
}

function line(run) {
  const row = element("tr");
  const values = [run.task, run.method, run.seed, ...run.last, run.device];
  row.append(element("th", run.id, { scope: "row" }), ...values.map((value) => element("td", value)));
  return row;
}

function more(runs) {
  const warnings = runs.filter((run) => run.warnings).map((run) => element("p", `Warning of ${run.id}: ${run.warnings}`));
  const settings = [...new Set(runs.map((run) => run.settings))].map((number) => {
    const details = element("details");
    const text = JSON.stringify(known.settings[number], null, 1);
    const pre = element("pre");
    pre.append(element("code", text));
    details.append(element("summary", `Settings: ${known.settings[number].task ?? ""}`), pre);
    return details;
  });
  return [...warnings, ...settings];
}

function filled(runs, name) {
  const spec = read("runs-spec");
  spec.encoding.y.title = name;
  const curve = name === known.scores[runs[0].scores].both ? scores : (run) => {
    const [steps, values] = run.curves[name] ?? [[], []];
    return steps.map((step, place) => ({ step, value: values[place], of: name }));
  };
  const points = runs.flatMap((run) => curve(run).map((point) => ({ run: run.id, task: run.task, seed: run.seed, ...point })));
  return { ...spec, datasets: { runs: points.filter((point) => point.value !== null) } };
}

function scores(run) {
  return run.steps.flatMap(([step, target, source]) => [
    { step, value: target, of: "target (for display alone)" },
    { step, value: source, of: "source, validation" },
  ]);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.matches(".sort")) sort(button);
  if (button?.matches(".cell")) open(button);
  if (event.target === dialog) dialog.close();
});
