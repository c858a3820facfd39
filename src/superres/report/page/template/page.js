"use strict";
// What a page of results does. data.py says what DATA holds; text of a study is escaped before it is HTML.
const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const esc = (text) => String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
const LABELS = Object.fromEntries([["HR", "HR, the original"], ...DATA.rows.map((row) => [row.arm, row.label])]);
const numeric = (column) => column.kind === "figure" || column.kind === "interval";
const changed = (ids, act) => ids.forEach((id) => $(id)?.addEventListener("change", act));
let chosen = [], current = null;

// Arms: a table to sort, filter, choose from and copy.
const shown = (column, value) => !numeric(column) ? (value ?? "") : (value?.toFixed(column.digits) ?? "–");
const broken = (text) => (text.includes("+") ? `<span class="steps">${text.replaceAll("+", "+<wbr>")}</span>` : text);
const render = (column) => (value, type) => type === "display" ? broken(esc(shown(column, value)))
  : value ?? (type !== "filter" && numeric(column) ? -1e99 : "");
const pick = (arm, type) => type !== "display" ? "" :
  `<button type="button" class="pick" data-arm="${esc(arm)}" aria-label="Choose ${esc(LABELS[arm])}">+</button>`;
const table = new DataTable("#arms", {
  ...DATA.table, data: DATA.rows,
  columns: [{ title: "Chosen", data: "arm", orderable: false, searchable: false, render: pick, className: "plain" },
    ...DATA.columns.map((column) => ({ title: esc(column.title), data: column.key, className: column.kind,
      render: render(column), visible: column.visible, type: numeric(column) ? "num" : "string" }))],
  rowCallback: (line, { arm }) =>
    line.querySelector(".pick").ariaPressed = line.classList.toggle("chosen", chosen.includes(arm)),
});
for (const select of document.querySelectorAll("[data-filter]")) {
  const place = 1 + DATA.columns.findIndex((column) => column.key === select.dataset.filter);
  select.onchange = () => table.column(place).search(select.value, { exact: select.value !== "" }).draw();
}
table.search.fixed("only", (_, row) => !$("only").checked || chosen.includes(row.arm));
changed(["only"], () => table.draw());
for (const box of document.querySelectorAll("[data-columns]")) box.onchange = () =>
  table.columns(box.dataset.columns.split(" ").map(Number)).visible(box.checked);
$("arms").onclick = ({ target }) => target.matches(".pick") && choose(target.dataset.arm);
const WORDS = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}" };
const latex = (text) => String(text).replace(/[\\&%$#_{}~^]/g, (sign) => WORDS[sign] ?? `\\${sign}`);
const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const texts = (columns, rows) => [columns.map((c) => c.title),
  ...rows.map((row) => columns.map((c) => shown(c, row[c.key])))];
const COPIES = {
  csv: (columns, rows) => [columns.map((c) => c.key), ...rows.map((row) => columns.map((c) => row[c.key] ?? ""))]
    .map((line) => `${line.map(quoted).join(",")}\n`).join(""),
  markdown: (columns, rows) => {
    const line = (cells) => `| ${cells.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |\n`;
    const [titles, ...lines] = texts(columns, rows).map(line);
    return titles + line(columns.map((c) => (numeric(c) ? "---:" : "---"))) + lines.join("");
  },
  latex: (columns, rows) => {
    const [titles, ...lines] = texts(columns, rows).map((cells) => `${cells.map(latex).join(" & ")} \\\\\n`);
    return `\\begin{tabular}{${columns.map((c) => (numeric(c) ? "r" : "l")).join("")}}\n\\toprule\n`
      + `${titles}\\midrule\n${lines.join("")}\\bottomrule\n\\end{tabular}\n`;
  },
};
for (const button of document.querySelectorAll("[data-copy]")) button.onclick = async () => {
  const columns = DATA.columns.filter((_, index) => table.column(index + 1).visible());
  const rows = table.rows({ search: "applied", order: "applied" }).data().toArray();
  await navigator.clipboard.writeText(COPIES[button.dataset.copy](columns, rows));
  $("said").textContent = `Copied ${rows.length} row${rows.length === 1 ? "" : "s"} as ${button.textContent}.`;
};

// Plots: figures of Plotly's, in the colours of the page, drawn when they come into sight.
function plot(element, figure) {
  const redraw = () => {
    const { data, layout } = figure(), narrow = element.clientWidth < 700;
    const { color, borderTopColor: line } = getComputedStyle(document.querySelector("h2"));
    const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, automargin: true };
    Plotly.react(element, data, { ...DATA.style, ...layout, template: { layout: { xaxis: axis, yaxis: axis,
      modebar: { color, activecolor: color, bgcolor: "rgba(0,0,0,0)" }, font: { color, size: 13 },
      legend: { traceorder: "normal", ...(narrow && { orientation: "h", y: 1, yanchor: "bottom" }) } } },
      ...(narrow && layout.height && { height: layout.height + 120 }) },
    { ...DATA.config, displayModeBar: narrow ? false : "hover" });
  };
  redraw();
  addEventListener("theme", redraw);
  return redraw;
}
const sights = [...DATA.int8, DATA.operations].filter(Boolean).map((group) => {
  const section = document.querySelector(`[data-group="${group.id}"]`), select = section.querySelector("select");
  const draw = () => select.onchange ??= plot(section.querySelector(".plot"), () => group.figures[select.value]);
  new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && draw()).observe(section);
  return draw;
});

// Trade-off: every arm, the front, the paper's points, and the chosen arms in rings.
function front(rows, x, y) {
  const up = (axis, row) => (axis.better === "more" ? row[axis.key] : -row[axis.key]), kept = [];
  for (const row of rows.toSorted((one, other) => up(x, other) - up(x, one) || up(y, other) - up(y, one)))
    if (!kept.length || up(y, row) > up(y, kept.at(-1))) kept.push(row);
  return kept;
}
function tradeoff() {
  const [x, y] = [[DATA.axes, "plot-x"], [DATA.heights, "plot-y"]].map(([axes, id]) =>
    axes.find((axis) => axis.key === $(id).value));
  const here = (row) => row.target === $("plot-target").value && row.clip === $("plot-clip").value;
  const rows = x && y ? DATA.rows.filter((row) => here(row) && row[x.key] != null && row[y.key] != null) : [];
  const trace = (name, points, other) => ({ type: "scatter", mode: "markers", name: esc(name),
    x: points.map((row) => row[x.key]), y: points.map((row) => row[y.key]), text: points.map((row) => row.hover),
    customdata: points.map((row) => row.arm), hovertemplate: "%{text}<extra></extra>", ...other });
  // The legend shows the first mark: an empty one, a disc.
  const marker = (members) => ({ size: 12, symbol: ["circle", ...members.map(({ symbol }) => symbol)],
    line: { width: [0, ...members.map(({ symbol }) => (symbol.endsWith("open") ? 2 : 0))] } });
  const data = [trace("front", front(rows.filter((row) => row.sound), x, y), DATA.marks.front),
    ...[...Map.groupBy(rows, (row) => row[DATA.coloured])].map(([name, members]) => trace(name, [{}, ...members],
      { visible: members[0].baseline ? "legendonly" : true, marker: marker(members) })),
    trace("chosen", rows.filter((row) => chosen.includes(row.arm)), DATA.marks.chosen)];
  if ($("plot-paper")?.checked && x?.key === "fps" && y?.key.startsWith("psnr"))
    data.push(trace("the paper", DATA.paper, DATA.marks.paper));
  return { data, layout: !rows.length ? DATA.empty : { yaxis: { title: { text: y?.title } },
    xaxis: { title: { text: x?.title }, ...($("plot-log").checked && DATA.log) } } };
}
const redrawTradeoff = plot($("tradeoff"), tradeoff);
changed(["plot-target", "plot-clip", "plot-x", "plot-y", "plot-log", "plot-paper"], redrawTradeoff);
$("tradeoff").on("plotly_click", ({ points }) => points[0].customdata in LABELS && choose(points[0].customdata));
function choose(arm) {
  chosen = chosen.includes(arm) ? chosen.filter((other) => other !== arm) : [...chosen, arm];
  const focused = document.activeElement;
  table.draw(false);
  focused.focus({ preventScroll: true });
  redrawTradeoff();
  if (DATA.pictures.length && chosen.length) offer(chosen.at(-1), chosen.at(-2) ?? $("compare-b").value);
}

// Compare: two pictures of a place, pixel by pixel.
const pixels = (place, number) => place.pictures[number].pixels ??= decode(place, place.pictures[number]);
async function decode(place, picture) {
  const context = new OffscreenCanvas(place.width, place.height).getContext("2d"), image = new Image();
  image.src = `data:image/webp;base64,${picture.webp}`;
  await image.decode();
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, place.width, place.height);
  const base = picture.base !== null && (await pixels(place, picture.base));
  return base ? data.map((value, index) => (index % 4 === 3 ? 255 : (value + base[index]) & 255)) : data;
}
function paint(id, width, height, data) {
  Object.assign($(id), { width, height });
  $(id).getContext("2d").putImageData(new ImageData(Uint8ClampedArray.from(data), width, height), 0, 0);
}
const heat = (share) => [560 * share, 460 * share - 205, 90 * (1 - share) * Math.min(1, 4 * share), 255];
async function rate(place, index) {
  const shown = ["compare-a", "compare-b"].map((id) => pixels(place, place.shown[$(id).value]));
  const [left, right] = await Promise.all(shown), off = (i) => Math.abs(left[i] - right[i]);
  const errors = Uint8Array.from({ length: left.length / 4 },
    (_, i) => Math.max(off(4 * i), off(4 * i + 1), off(4 * i + 2)));
  const mean = errors.reduce((sum, one) => sum + one, 0) / errors.length;
  return { place, index, left, right, errors, mean, most: errors.reduce((most, one) => Math.max(most, one), 0) };
}
async function compare() {
  const clip = DATA.pictures[$("compare-clip").value], rated = await Promise.all(clip.places.map(rate));
  rated.sort((one, other) => other.mean - one.mean || one.index - other.index);
  const now = rated.find(({ place }) => place === current) ?? rated[0], { x, y, width, height } = now.place;
  $("places").replaceChildren(...rated.map(({ place, index, mean, most }) => Object.assign(
    document.createElement("button"), { type: "button", ariaCurrent: place === now.place,
      onclick: () => { current = place; compare(); },
      textContent: `${index + 1}: ${mean.toFixed(2)} levels on average, ${most} at most (${place.why})` })));
  for (const id of ["slider", "error"]) $(id).style.width = `${width * $("compare-zoom").value || ""}px`;
  const top = Number($("compare-levels").value) || Math.max(1, now.most);
  paint("left", width, height, now.left);
  paint("right", width, height, now.right);
  paint("error", width, height, [...now.errors].flatMap((one) => heat(Math.min(1, one / top))));
  $("ramp-end").textContent = `${top} level${top === 1 ? "" : "s"}`;
  $("pair-names").textContent = `Left: ${LABELS[$("compare-a").value]}. Right: ${LABELS[$("compare-b").value]}.`;
  for (const each of document.querySelectorAll("[data-overview], [data-place]")) each.classList.toggle("current",
    [$("compare-clip").value, `${x} ${y}`].includes(each.dataset.overview ?? each.dataset.place));
}
function offer(...wanted) {
  const names = Object.keys(DATA.pictures[$("compare-clip").value].places[0].shown);
  [$("compare-a"), $("compare-b")].forEach((select, index) => {
    select.replaceChildren(...names.map((name) => new Option(LABELS[name], name)));
    select.value = names.includes(wanted[index]) ? wanted[index] : names[index % names.length];
  });
  current = null;
  compare();
}
if (DATA.pictures.length) {
  paint("ramp", 256, 1, Array.from({ length: 256 }, (_, level) => heat(level / 255)).flat());
  offer(DATA.advice.find((each) => each.arm)?.arm, "HR");
  changed(["compare-clip", "compare-a", "compare-b"], () => offer($("compare-a").value, $("compare-b").value));
  changed(["compare-zoom", "compare-levels"], compare);
  $("slider").addEventListener("slide", () => { $("slider").ariaValueNow = Math.round($("slider").value); });
  const views = [...document.querySelectorAll(".view")];
  views.forEach((view, i) => { view.onscroll = () => views[1 - i].scrollTo(view.scrollLeft, view.scrollTop); });
}

// Paper is light, and has every arm.
window.onbeforeprint = () => { show("light"); sights.forEach((draw) => draw()); table.page.len(-1).draw(); };
window.onafterprint = () => show(kept());
