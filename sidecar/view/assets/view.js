"use strict";
// Draws the panels of a dashboard. What comes from a document is put in as text
// only, and drawn on canvases, whose tips are drawn, too.

const main = document.querySelector("main");
const dashboard = "/d/" + main.dataset.dashboard;
const charts = [];

const element = (name, attributes = {}, ...children) => {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
};

// A row's keys are those of its buckets; they lead to its documents.
const keysOf = (columns, row) => row.filter((_, i) => columns[i].role !== "show").map(String);
const documentsOf = (panel, keys) => {
  const query = new URLSearchParams(location.search);
  for (const key of keys) query.append("at", key);
  return `${dashboard}/${panel.dataset.panel}/documents?${query}`;
};

const moment = (ms) => new Date(Number(ms)).toISOString().slice(0, 19).replace("T", " ");
const size = (n) => {
  for (const unit of ["B", "KiB", "MiB", "GiB", "TiB"]) {
    if (Math.abs(n) < 1024 || unit === "TiB") return `${n.toLocaleString("en", { maximumFractionDigits: 1 })} ${unit}`;
    n /= 1024;
  }
};
const name = (column, key) => column.time ? moment(key) : key === "__other__" ? "Other" : key === "__missing__" ? "Missing" : String(key);
const number = (content, column, value) => value === null ? "–" : typeof value !== "number" ? String(value) :
  content.bytes && content.bytes.includes(column.field) ? size(value) : value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 3 : 1 });

// indexes are the places of the columns with a role.
const indexes = (table, role) => table.columns.flatMap((c, i) => c.role === role ? [i] : []);
const joined = (table, row, places) => places.map((i) => name(table.columns[i], row[i])).join(" / ");

function chart(panel, option) {
  const body = panel.querySelector(".body");
  const c = echarts.init(body);
  c.setOption({ animation: false, textStyle: { fontFamily: "system-ui, sans-serif" }, ...option });
  c.on("click", (e) => { if (e.data && e.data.keys) location.href = documentsOf(panel, e.data.keys); });
  charts.push(c);
}
const tip = { renderMode: "richText", confine: true };
const legend = { type: "scroll", orient: "vertical", right: 0, top: 8, bottom: 8, width: 150, textStyle: { width: 130, overflow: "truncate" } };

// axes draws bars, lines and areas: the first bucket is the axis, each other one
// and each metric a series.
function axes(panel, content) {
  const table = content.tables[0], by = indexes(table, "by"), series = indexes(table, "series"), show = indexes(table, "show");
  const time = by.find((i) => table.columns[i].time);
  const along = time === undefined ? by : [time], rest = by.filter((i) => !along.includes(i)).concat(series);
  const points = new Map(), xs = new Map();
  for (const row of table.rows) {
    const x = time === undefined ? joined(table, row, along) : Number(row[time]);
    xs.set(x, true);
    for (const i of show) {
      const label = [joined(table, row, rest), show.length > 1 || rest.length === 0 ? table.columns[i].label : ""].filter(Boolean).join(" · ");
      if (!points.has(label)) points.set(label, new Map());
      points.get(label).set(x, { value: [x, row[i]], keys: keysOf(table.columns, row) });
    }
  }
  const all = [...xs.keys()];
  if (time !== undefined) all.sort((a, b) => a - b);
  const stacked = panel.dataset.kind !== "line";
  chart(panel, {
    tooltip: { ...tip, trigger: time === undefined ? "item" : "axis", valueFormatter: (v) => number(content, table.columns[show[0]], v) },
    legend: points.size > 1 || rest.length ? legend : { show: false },
    grid: { left: 8, right: points.size > 1 || rest.length ? 170 : 16, top: 12, bottom: 8, outerBoundsMode: "same" },
    xAxis: time === undefined ? { type: "category", data: all } : { type: "time" },
    yAxis: { type: "value", axisLabel: { formatter: (v) => content.bytes && content.bytes.includes(table.columns[show[0]].field) ? size(v) : v.toLocaleString("en") } },
    series: [...points].map(([label, at]) => ({
      name: label, type: panel.dataset.kind === "bar" ? "bar" : "line", stack: stacked ? "all" : undefined, barMaxWidth: 40,
      areaStyle: panel.dataset.kind === "area" ? { opacity: 0.6 } : undefined, showSymbol: all.length < 60, connectNulls: true,
      data: all.flatMap((x) => at.has(x) ? [at.get(x)] : stacked ? [{ value: [x, 0] }] : []),
    })),
  });
}

function pie(panel, content) {
  const table = content.tables[0], by = indexes(table, "by").concat(indexes(table, "series")), [show] = indexes(table, "show");
  const { clientWidth: width, clientHeight: height } = panel.querySelector(".body");
  const radius = Math.max(20, Math.min(width - 170, height) * 0.44); // beside the legend
  chart(panel, {
    tooltip: { ...tip, trigger: "item", formatter: "{b}: {c} ({d} %)" },
    legend,
    series: [{
      type: "pie", radius: [panel.dataset.kind === "donut" ? radius * 0.6 : 0, radius], center: [Math.max(radius, (width - 160) / 2), "50%"], label: { show: false },
      data: table.rows.map((row) => ({ name: joined(table, row, by) || table.columns[show].label, value: row[show], keys: keysOf(table.columns, row) })),
    }],
  });
}

function heatmap(panel, content) {
  const table = content.tables[0], by = indexes(table, "by"), series = indexes(table, "series"), [show] = indexes(table, "show");
  const x = [...new Set(table.rows.map((r) => joined(table, r, by)))], y = [...new Set(table.rows.map((r) => joined(table, r, series)))];
  chart(panel, {
    tooltip: { ...tip, formatter: (e) => `${e.value[0]} · ${e.value[1]}: ${e.value[2]}` },
    grid: { left: 8, right: 90, top: 12, bottom: 8, outerBoundsMode: "same" },
    xAxis: { type: "category", data: x }, yAxis: { type: "category", data: y },
    visualMap: { min: 0, max: Math.max(...table.rows.map((r) => r[show])), right: 0, top: "middle", inRange: { color: ["#e8f3ec", "#16794a"] } },
    series: [{ type: "heatmap", data: table.rows.map((r) => ({ value: [joined(table, r, by), joined(table, r, series), r[show]], keys: keysOf(table.columns, r) })) }],
  });
}

let world;
async function map(panel, content) {
  world ??= fetch("/assets/world.json").then((r) => r.json()).then((shapes) => { echarts.registerMap("world", shapes); return shapes; });
  const countries = new Map((await world).features.map((f) => [f.properties.name, f.properties.country]));
  const table = content.tables[0], by = indexes(table, "by"), [show] = indexes(table, "show");
  const rows = table.rows.map((row) => ({ name: joined(table, row, by), value: row[show], keys: keysOf(table.columns, row) }));
  const elsewhere = rows.filter((r) => !countries.has(r.name)); // too small for this map
  chart(panel, {
    tooltip: { ...tip, trigger: "item", formatter: (e) => `${countries.get(e.name) || e.name}: ${number(content, table.columns[show], Number.isNaN(e.value) ? null : e.value)}` },
    visualMap: { min: 0, max: Math.max(1, ...rows.map((r) => r.value)), left: 8, bottom: 8, itemHeight: 80, inRange: { color: ["#ffe9b0", "#b42318"] } },
    title: { show: elsewhere.length > 0, text: "not on the map: " + elsewhere.map((r) => `${r.name} ${r.value}`).join(", "), left: "center", bottom: 0, textStyle: { fontSize: 12, fontWeight: "normal" } },
    series: [{ type: "map", map: "world", roam: true, scaleLimit: { min: 1, max: 12 }, itemStyle: { areaColor: "#eef1f5", borderColor: "#b7c0cc" }, label: { show: false }, emphasis: { label: { show: false } }, data: rows }],
  });
}

function metric(panel, content) {
  const table = content.tables[0], by = indexes(table, "by").concat(indexes(table, "series"));
  for (const row of table.rows) {
    for (const i of indexes(table, "show")) {
      panel.querySelector(".body").append(element("a", { class: "number", href: documentsOf(panel, keysOf(table.columns, row)) },
        element("b", {}, number(content, table.columns[i], row[i])), element("span", {}, joined(table, row, by) || table.columns[i].label)));
    }
  }
}

function table(panel, content) {
  const { columns, rows } = content.tables[0];
  panel.querySelector(".body").append(element("table", {},
    element("thead", {}, element("tr", {}, ...columns.map((c) => element("th", {}, c.label)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...columns.map((c, i) => c.role === "show" ?
      element("td", typeof row[i] === "number" ? { class: "n" } : {}, number(content, c, row[i])) :
      element("td", {}, row[i] === "__other__" ? "Other" : element("a", { href: documentsOf(panel, row.slice(0, i + 1).map(String)) }, name(c, row[i])))))))));
  if (content.total > rows.length) panel.querySelector(".body").append(element("p", { class: "dim" }, `the newest ${rows.length} of ${content.total.toLocaleString("en")}`));
}

// controls are lists of values; a click keeps only documents that have one.
function controls(panel, content) {
  content.tables.forEach((t, n) => {
    const field = t.columns[0].field, chosen = new URLSearchParams(location.search).getAll("is");
    panel.querySelector(".body").append(element("p", {}, element("b", {}, content.labels[n] + ": "), ...t.rows.flatMap(([value, count]) => {
      const query = new URLSearchParams(location.search);
      if (chosen.includes(`${field}=${value}`)) query.delete("is", `${field}=${value}`);
      else query.append("is", `${field}=${value}`);
      return [element("a", { class: chosen.includes(`${field}=${value}`) ? "pill chosen" : "pill", href: "?" + query }, `${value} `, element("span", { class: "dim" }, String(count))), " "];
    })));
  });
}

const draw = { bar: axes, line: axes, area: axes, pie, donut: pie, heatmap, map, metric, table, search: table, controls };

// load asks for a panel and draws it; how that ended is data-state.
async function load(panel) {
  const body = panel.querySelector(".body");
  try {
    const response = await fetch(`${dashboard}/${panel.dataset.panel}${location.search}`);
    const content = await response.json();
    if (content.error) throw new Error(content.error);
    if (!content.empty || panel.dataset.kind === "metric") await draw[panel.dataset.kind](panel, content);
    else body.append(element("p", { class: "dim" }, "No data in this time."));
    panel.dataset.state = content.empty ? "empty" : "drawn";
  } catch (problem) {
    body.replaceChildren(element("p", { class: "problem" }, problem.message));
    panel.dataset.state = "failed";
  }
}

const panels = [...document.querySelectorAll(".panel")];
for (const p of panels) {
  p.style.gridColumn = `${Number(p.dataset.x) + 1} / span ${p.dataset.w}`;
  p.style.gridRow = `${Number(p.dataset.y) + 1} / span ${p.dataset.h}`;
}
Promise.all(panels.filter((p) => p.dataset.kind !== "markdown").map(load)).then(() => requestAnimationFrame(() => requestAnimationFrame(() => { main.dataset.state = "done"; }))); // drawn, too
window.addEventListener("resize", () => charts.forEach((c) => c.resize()));
