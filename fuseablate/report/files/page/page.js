"use strict";
const SVG = "http://www.w3.org/2000/svg";
const HUES = 7, HEIGHT = 380, LEFT = 52, RIGHT = 16, TOP = 28, BOTTOM = 44;

function node(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function sortable(table) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const order = before === "ascending" ? "descending" : before === "descending" ? "none" : "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      if (order !== "none") head.setAttribute("aria-sort", order);
      const value = (row) => row.cells[column].dataset.value;
      const compare = (one, other) => {
        const [a, b] = [value(one), value(other)];
        if (a === "" || b === "") return (a === "") - (b === ""); // what is missing stays last
        const numbers = Number(a) - Number(b);
        const sign = Number.isNaN(numbers) ? a.localeCompare(b) : numbers;
        return order === "descending" ? -sign : sign;
      };
      body.append(...(order === "none" ? original : [...original].sort(compare)));
    });
  });
}

function ticks(low, high, wanted) {
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high; at++) found.push(at * step);
  return { found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

function short(value) {
  for (const [limit, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) if (value >= limit) return `${(value / limit).toPrecision(3)}${unit}`;
  return String(Number(value.toPrecision(3)));
}

function reach(values, least = 0) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const shortOf = least * Math.abs(high) - (high - low);
  const margin = Math.max(0.06 * (high - low), shortOf / 2) || 0.05 * Math.abs(high) || 1;
  return [low - margin, high + margin];
}

/* Draw the axes; return the SVG and the functions from values to pixels. */
function axes(host, xs, ys, xTitle, yTitle, xText) {
  const width = Math.max(280, host.clientWidth || 680);
  const svg = node("svg", { class: "plot", viewBox: `0 0 ${width} ${HEIGHT}`, role: "group", "aria-label": `${yTitle} against ${xTitle}` });
  const x = (value) => LEFT + ((value - xs[0]) / (xs[1] - xs[0])) * (width - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((value - ys[0]) / (ys[1] - ys[0])) * (HEIGHT - TOP - BOTTOM);
  const up = ticks(ys[0], ys[1], 6);
  for (const value of up.found) {
    svg.append(node("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }));
    svg.append(node("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(up.digits)));
  }
  for (const value of ticks(xs[0], xs[1], width < 500 ? 4 : 7).found) {
    svg.append(node("text", { x: x(value), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle" }, xText(value)));
  }
  svg.append(node("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }));
  svg.append(node("text", { x: 0, y: 14 }, yTitle));
  svg.append(node("text", { x: width - RIGHT, y: HEIGHT - 6, "text-anchor": "end" }, xTitle));
  return { svg, x, y };
}

/* The marks by their place, as in plots: circle, square, diamond, triangles, plus, star, cross. */
function shape(index, x, y, r) {
  const polygon = (corners) => node("polygon", { points: corners.map(([a, b]) => `${x + a * r},${y + b * r}`).join(" ") });
  const star = Array.from({ length: 10 }, (_, at) => [at % 2 ? 0.5 : 1.3, (at * Math.PI) / 5]).map(([far, turn]) => [far * Math.sin(turn), -far * Math.cos(turn)]);
  const plus = [[-0.35, -1.1], [0.35, -1.1], [0.35, -0.35], [1.1, -0.35], [1.1, 0.35], [0.35, 0.35], [0.35, 1.1], [-0.35, 1.1], [-0.35, 0.35], [-1.1, 0.35], [-1.1, -0.35], [-0.35, -0.35]];
  const cross = plus.map(([a, b]) => [(a + b) * Math.SQRT1_2, (b - a) * Math.SQRT1_2]);
  return [
    () => node("circle", { cx: x, cy: y, r }),
    () => node("rect", { x: x - 0.9 * r, y: y - 0.9 * r, width: 1.8 * r, height: 1.8 * r }),
    () => polygon([[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]]),
    () => polygon([[0, -1.2], [1.15, 0.9], [-1.15, 0.9]]),
    () => polygon([[0, 1.2], [1.15, -0.9], [-1.15, -0.9]]),
    () => polygon(plus),
    () => polygon(star),
    () => polygon(cross),
  ][index % 8]();
}

function painted(made, colour) {
  made.style.setProperty("--c", colour);
  return made;
}

/* Show a name and lines beside a mark, within its figure. */
function tipOf(figure) {
  const tip = figure.querySelector(".tip");
  const hide = () => { tip.hidden = true; };
  figure.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  function show(title, lines, left, top) {
    const name = document.createElement("b");
    name.textContent = title;
    tip.replaceChildren(name, ...lines.flatMap((line, at) => (at ? [document.createElement("br"), line] : [line])));
    tip.hidden = false;
    const outer = figure.getBoundingClientRect(), x = left - outer.left, y = top - outer.top;
    tip.style.left = `${Math.max(0, Math.min(x + 18, outer.width - tip.offsetWidth))}px`;
    tip.style.top = `${y > tip.offsetHeight + 12 ? y - tip.offsetHeight - 12 : y + 28}px`;
  }
  return { show, hide };
}

function pressed(host, attribute, value) {
  for (const button of host.querySelectorAll(`[${attribute}]`)) button.setAttribute("aria-pressed", String(button.getAttribute(attribute) === value));
}

function scatter(figure, data) {
  const host = figure.querySelector(".canvas");
  const { show, hide } = tipOf(figure);
  let cost = figure.querySelector('[data-cost][aria-pressed="true"]')?.dataset.cost ?? "macs";
  function draw() {
    hide();
    const known = data.points.filter((point) => point.costs[cost] !== null);
    if (!known.length) return;
    const points = known.filter((point) => data.shown(point.index));
    const ys = known.flatMap((point) => [point.mean, point.low ?? point.mean, point.high ?? point.mean, ...Object.values(point.scores)]);
    const { svg, x, y } = axes(host, reach(known.map((point) => point.costs[cost]), data.span), reach(ys), data.costs[cost], `${data.metric} (%)`, short);
    const reference = known.find((point) => point.index === 0);
    if (reference) svg.append(node("line", { class: "base", x1: LEFT, x2: svg.viewBox.baseVal.width - RIGHT, y1: y(reference.mean), y2: y(reference.mean) }));
    svg.append(steps(known.filter((point) => data.fronts[cost].includes(point.index)).map((point) => [x(point.costs[cost]), y(point.mean)])));
    for (const point of points) {
      const at = x(point.costs[cost]);
      const group = painted(node("g", { class: "point", tabindex: 0, role: "img", "aria-label": [point.label, ...point.lines].join(". ") }), data.colours[point.index]);
      if (point.low !== null) group.append(node("line", { class: "reach", x1: at, x2: at, y1: y(point.low), y2: y(point.high) }));
      for (const score of Object.values(point.scores)) group.append(node("circle", { class: "seed", cx: at, cy: y(score), r: 3 }));
      const mark = shape(point.index, at, y(point.mean), 6);
      mark.setAttribute("class", point.equal ? "mark equal" : "mark");
      group.append(mark, node("circle", { cx: at, cy: y(point.mean), r: 14, fill: "transparent" }));
      const tell = () => { const box = mark.getBoundingClientRect(); show(point.label, point.lines, box.left, box.top); };
      for (const event of ["pointerenter", "focus"]) group.addEventListener(event, tell);
      for (const event of ["pointerleave", "blur"]) group.addEventListener(event, hide);
      svg.append(group);
    }
    host.replaceChildren(svg);
  }
  chosen(figure, "data-cost", (value) => { cost = value; draw(); });
  draw();
  return draw;
}

function steps(places) {
  const path = places.sort((a, b) => a[0] - b[0]).map(([x, y], at) => (at ? `H${x}V${y}` : `M${x},${y}`));
  return node("path", { class: "front", d: path.join("") });
}

/* Call what a press of one of a figure's buttons of that attribute asks for. */
function chosen(figure, attribute, act) {
  for (const button of figure.querySelectorAll(`[${attribute}]`)) {
    button.addEventListener("click", () => { pressed(figure, attribute, button.getAttribute(attribute)); act(button.getAttribute(attribute)); });
  }
}

/* All variants are drawn: those that are chosen in their colours, the others grey. */
function curves(figure, data) {
  const host = figure.querySelector(".canvas");
  const { show, hide } = tipOf(figure);
  const picked = new Set(data.curves.slice(0, HUES).map((curve) => curve.index));
  const groups = new Map();
  const drawn = (name) => data.curves.some((each) => each.bands[name].mean.length);
  let measure = Object.keys(data.measures).find(drawn) ?? "val_top1";
  pressed(figure, "data-measure", measure);
  function light(index, on) {
    const group = groups.get(index);
    if (!group) return;
    group.classList.toggle("lit", on);
    if (on) group.parentNode.append(group); // in front of the others
  }
  function toggle(index) {
    if (!picked.delete(index)) picked.add(index);
    draw();
  }
  function draw() {
    hide();
    groups.clear();
    const shown = data.curves.filter((each) => data.shown(each.index));
    const epochs = Math.max(2, ...data.curves.map((each) => each.bands[measure].mean.length));
    const values = data.curves.flatMap(({ bands }) => [...bands[measure].low, ...bands[measure].high]);
    const { svg, x, y } = axes(host, [1, epochs], reach(values.length ? values : [0, 1]), "Epoch", data.measures[measure], (value) => (Number.isInteger(value) ? String(value) : ""));
    for (const each of [...shown].sort((a, b) => picked.has(a.index) - picked.has(b.index))) {
      const { low, mean, high } = each.bands[measure];
      const points = (list) => list.map((value, at) => `${x(at + 1)},${y(value)}`);
      const own = picked.has(each.index);
      const group = painted(node("g", { class: own ? "curve" : "curve other" }), data.colours[each.index]);
      if (own) group.append(node("polygon", { class: "band", points: [...points(high), ...points(low).reverse()].join(" ") }));
      const dashes = ["none", "6 4", "2 3", "8 3 2 3"][Math.floor(each.index / HUES) % 4];
      group.append(node("polyline", { class: "line", "stroke-dasharray": dashes, points: points(mean).join(" ") }));
      const touch = node("polyline", { class: "touch", points: points(mean).join(" ") });
      touch.addEventListener("pointerenter", (event) => {
        for (const index of groups.keys()) light(index, index === each.index);
        show(data.names[each.index], [`${data.measures[measure]}: ${mean.at(-1)?.toFixed(2)} after ${mean.length} epochs`], event.clientX, event.clientY);
      });
      touch.addEventListener("pointerleave", () => { light(each.index, false); hide(); });
      touch.addEventListener("click", () => toggle(each.index));
      group.append(touch);
      groups.set(each.index, group);
      svg.append(group);
    }
    host.replaceChildren(svg);
    for (const button of figure.querySelectorAll("[data-variant]")) button.setAttribute("aria-pressed", String(picked.has(Number(button.dataset.variant))));
  }
  chosen(figure, "data-measure", (value) => { measure = value; draw(); });
  for (const button of figure.querySelectorAll("[data-variant]")) {
    const index = Number(button.dataset.variant);
    button.addEventListener("click", () => toggle(index));
    for (const event of ["pointerenter", "focus"]) button.addEventListener(event, () => light(index, true));
    for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => light(index, false));
  }
  for (const button of figure.querySelectorAll("[data-all]")) {
    button.addEventListener("click", () => {
      for (const each of data.curves) if (data.shown(each.index)) button.dataset.all ? picked.add(each.index) : picked.delete(each.index);
      draw();
    });
  }
  draw();
  return draw;
}

const TRIAL = { finalist: 6, trial: 0, random: 0 }; // marks
const kindOf = (trial) => (trial.finalist ? "finalist" : trial.random ? "random" : "trial");
const trialTitle = (trial) => `${trial.random ? "random trial" : "trial"} ${trial.number}: ${trial.top1.toFixed(2)} %`;

function trials(figure, { search, span, shownText }) {
  const host = figure.querySelector(".canvas");
  const { show, hide } = tipOf(figure);
  let cost = Object.keys(search.costs)[0];
  function draw() {
    hide();
    const known = search.trials.filter((trial) => trial.costs[cost] !== null);
    if (!known.length) return;
    const { svg, x, y } = axes(host, reach(known.map((trial) => trial.costs[cost]), span), reach(known.map((trial) => trial.top1)), search.costs[cost], search.title, short);
    svg.append(steps(known.filter((trial) => !trial.random && search.fronts[cost].includes(trial.number)).map((trial) => [x(trial.costs[cost]), y(trial.top1)])));
    for (const trial of known.filter((each) => shownText(`${trialTitle(each)} ${each.changes}`)).sort((a, b) => a.finalist - b.finalist)) {
      const mark = shape(TRIAL[kindOf(trial)], x(trial.costs[cost]), y(trial.top1), trial.finalist ? 7 : 4);
      mark.setAttribute("class", "mark");
      const group = node("g", { class: `trial ${kindOf(trial)}` }, mark);
      group.addEventListener("pointerenter", () => { const box = mark.getBoundingClientRect(); show(trialTitle(trial), [trial.changes], box.left, box.top); });
      group.addEventListener("pointerleave", hide);
      svg.append(group);
    }
    host.replaceChildren(svg);
  }
  for (const key of figure.querySelectorAll("[data-mark]")) {
    const mark = shape(TRIAL[key.dataset.mark], 8, 8, key.dataset.mark === "finalist" ? 6 : 4);
    mark.setAttribute("class", "mark");
    key.prepend(node("svg", { width: 16, height: 16, "aria-hidden": "true" }, node("g", { class: `trial ${key.dataset.mark}` }, mark)));
  }
  chosen(figure, "data-cost", (value) => { cost = value; draw(); });
  draw();
  return draw;
}

/* A parameter's axis: numbers by their size, anything else by its place among the values. */
function coordinate(values) {
  const given = [...new Set(values.filter((value) => value !== null))];
  if (given.length > 1 && given.every((value) => typeof value === "number")) {
    const [low, high] = [Math.min(...given), Math.max(...given)];
    return { place: (value) => (value - low) / (high - low), marks: [low, high].map((value) => [value, short(value)]) };
  }
  given.sort();
  const place = (value) => (given.length > 1 ? given.indexOf(value) / (given.length - 1) : 0.5);
  return { place, marks: given.map((value) => [value, String(value)]) };
}

function parallel(figure, { search, shownText }) {
  const host = figure.querySelector(".canvas");
  const { show, hide } = tipOf(figure);
  function draw() {
    hide();
    const drawn = search.trials.filter((trial) => !trial.random && shownText(`${trialTitle(trial)} ${trial.changes}`));
    const names = [...search.axes, "Val top-1 (%)"];
    const columns = names.map((_, at) => search.trials.filter((trial) => !trial.random).map((trial) => (at < search.axes.length ? trial.values[at] : trial.top1)));
    const scales = columns.map(coordinate);
    const width = Math.max(host.parentNode.clientWidth || 680, 110 * names.length), high = 300, top = 40, bottom = 24, side = 56;
    const svg = node("svg", { class: "plot", viewBox: `0 0 ${width} ${high}`, width, height: high, role: "img", "aria-label": `Trials by ${names.join(", ")}` });
    svg.style.width = `${width}px`;
    const x = (at) => side + (at * (width - 2 * side)) / Math.max(1, names.length - 1);
    const y = (share) => high - bottom - share * (high - top - bottom);
    const wanted = search.trials.some((trial) => trial.finalist) ? (trial) => trial.finalist : (trial) => trial.top1 >= best;
    const best = [...columns.at(-1)].sort((a, b) => b - a)[Math.floor(columns.at(-1).length / 10)];
    for (const trial of [...drawn].sort((a, b) => wanted(a) - wanted(b))) {
      const places = [...trial.values, trial.top1].map((value, at) => (value === null ? null : [x(at), y(scales[at].place(value))]));
      const points = places.filter((place) => place).map((place) => place.join(",")).join(" ");
      const group = node("g", { class: `trial ${wanted(trial) ? "strong" : ""}` }, node("polyline", { class: "line", points }), node("polyline", { class: "touch", points }));
      group.addEventListener("pointerenter", (event) => { group.classList.add("lit"); show(trialTitle(trial), [trial.changes], event.clientX, event.clientY); });
      group.addEventListener("pointerleave", () => { group.classList.remove("lit"); hide(); });
      svg.append(group);
    }
    names.forEach((name, at) => {
      svg.append(node("line", { class: "grid", x1: x(at), x2: x(at), y1: top, y2: high - bottom }));
      const anchor = at === 0 ? "start" : at === names.length - 1 ? "end" : "middle";
      svg.append(node("text", { x: x(at) + { start: -24, middle: 0, end: side }[anchor], y: at % 2 ? 28 : 14, "text-anchor": anchor }, name.length > 22 ? `${name.slice(0, 21)}\u2026` : name));
      for (const [value, text] of scales[at].marks) svg.append(node("text", { class: "halo", x: x(at) + 6, y: y(scales[at].place(value)) + 4 }, text.length > 12 ? `${text.slice(0, 11)}\u2026` : text));
    });
    host.replaceChildren(svg);
  }
  draw();
  return draw;
}

function keys(figure, colours) {
  for (const button of figure.querySelectorAll("[data-index]")) {
    const index = Number(button.dataset.index);
    const mark = shape(index, 8, 8, 5);
    mark.setAttribute("class", button.dataset.equal ? "mark equal" : "mark");
    button.prepend(painted(node("svg", { width: 16, height: 16, "aria-hidden": "true" }, mark), colours[index]));
  }
}

/* What a text leaves of an article: its rows, its tables, its marks and its curves. */
function filtered(article, data, redraw) {
  const field = article.querySelector(".filter");
  let wanted = "";
  data.shownText = (text) => text.toLowerCase().includes(wanted);
  data.shown = (index) => index === 0 || data.texts[index].includes(wanted);
  if (!field) return;
  field.hidden = false;
  field.querySelector("input").addEventListener("input", (event) => {
    wanted = event.target.value.trim().toLowerCase();
    for (const part of article.querySelectorAll("[data-text]")) part.hidden = !part.dataset.text.includes(wanted);
    for (const key of article.querySelectorAll("[data-index]")) key.hidden = !data.shown(Number(key.dataset.index));
    const left = data.texts.filter((text, index) => index && text.includes(wanted)).length;
    field.querySelector("[role=status]").textContent = wanted ? `${left} of ${data.texts.length - 1} variants` : "";
    redraw.forEach((draw) => draw());
  });
}

const all = JSON.parse(document.getElementById("data").textContent);
document.querySelectorAll("table.sortable").forEach(sortable);
const redraw = [];
for (const article of document.querySelectorAll("article")) {
  const data = all[article.dataset.of];
  const own = [];
  filtered(article, data, own);
  for (const figure of article.querySelectorAll("figure")) keys(figure, data.colours);
  for (const [kind, draws] of Object.entries({ scatter, curves, trials, parallel })) {
    for (const figure of article.querySelectorAll(`figure.${kind}`)) own.push(draws(figure, data));
  }
  redraw.push(...own);
}
let width = document.documentElement.clientWidth;
addEventListener("resize", () => {
  if (width === document.documentElement.clientWidth) return;
  width = document.documentElement.clientWidth;
  redraw.forEach((draw) => draw());
});
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details")) { each.dataset.was = each.open; each.open = true; }
});
addEventListener("afterprint", () => {
  for (const each of document.querySelectorAll("details")) each.open = each.dataset.was === "true";
});
