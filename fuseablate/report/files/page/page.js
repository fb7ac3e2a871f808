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

function reach(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = 0.06 * (high - low) || 0.05 * Math.abs(high) || 1;
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

function shape(index, x, y, size) {
  const r = size, polygon = (...corners) => node("polygon", { points: corners.map(([a, b]) => `${x + a * r},${y + b * r}`).join(" ") });
  return [
    () => node("circle", { cx: x, cy: y, r }),
    () => node("rect", { x: x - 0.9 * r, y: y - 0.9 * r, width: 1.8 * r, height: 1.8 * r }),
    () => polygon([0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]),
    () => polygon([0, -1.2], [1.15, 0.9], [-1.15, 0.9]),
    () => polygon([0, 1.2], [1.15, -0.9], [-1.15, -0.9]),
  ][index % 5]();
}

function pressed(host, attribute, value) {
  for (const button of host.querySelectorAll(`[${attribute}]`)) button.setAttribute("aria-pressed", String(button.getAttribute(attribute) === value));
}

function scatter(figure, data) {
  const host = figure.querySelector(".canvas");
  const tip = figure.querySelector(".tip");
  let cost = figure.querySelector('[data-cost][aria-pressed="true"]')?.dataset.cost ?? "macs";
  const hide = () => { tip.hidden = true; };
  function show(point, group) {
    const name = document.createElement("b");
    name.textContent = point.label;
    tip.replaceChildren(name, ...point.lines.flatMap((line, at) => (at ? [document.createElement("br"), line] : [line])));
    tip.hidden = false;
    const [outer, box] = [figure.getBoundingClientRect(), group.querySelector(".mark").getBoundingClientRect()];
    const [x, y] = [box.left - outer.left, box.top - outer.top];
    tip.style.left = `${Math.max(0, Math.min(x + 18, outer.width - tip.offsetWidth))}px`;
    tip.style.top = `${y > tip.offsetHeight + 12 ? y - tip.offsetHeight - 12 : y + 28}px`;
  }
  function draw() {
    hide();
    const points = data.points.filter((point) => point.costs[cost] !== null);
    if (!points.length) return;
    const ys = points.flatMap((point) => [point.mean, point.low ?? point.mean, point.high ?? point.mean, ...Object.values(point.scores)]);
    const { svg, x, y } = axes(host, reach(points.map((point) => point.costs[cost])), reach(ys), data.costs[cost], `${data.metric} (%)`, short);
    const base = y(points[0].mean);
    svg.append(node("line", { class: "base", x1: LEFT, x2: svg.viewBox.baseVal.width - RIGHT, y1: base, y2: base }));
    const front = points.filter((point) => data.fronts[cost].includes(point.index)).sort((a, b) => a.costs[cost] - b.costs[cost]);
    const path = front.map((point, at) => (at ? `H${x(point.costs[cost])}V${y(point.mean)}` : `M${x(point.costs[cost])},${y(point.mean)}`));
    svg.append(node("path", { class: "front", d: path.join("") }));
    for (const point of points) {
      const at = x(point.costs[cost]);
      const group = node("g", { class: `point s${point.index % HUES}`, tabindex: 0, role: "img", "aria-label": [point.label, ...point.lines].join(". ") });
      if (point.low !== null) group.append(node("line", { class: "reach", x1: at, x2: at, y1: y(point.low), y2: y(point.high) }));
      for (const score of Object.values(point.scores)) group.append(node("circle", { class: "seed", cx: at, cy: y(score), r: 3 }));
      const mark = shape(point.index, at, y(point.mean), 6);
      mark.setAttribute("class", point.equal ? "mark equal" : "mark");
      group.append(mark, node("circle", { cx: at, cy: y(point.mean), r: 14, fill: "transparent" }));
      for (const event of ["pointerenter", "focus"]) group.addEventListener(event, () => show(point, group));
      for (const event of ["pointerleave", "blur"]) group.addEventListener(event, hide);
      svg.append(group);
    }
    host.replaceChildren(svg);
  }
  figure.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  for (const button of figure.querySelectorAll("[data-cost]")) {
    button.addEventListener("click", () => { cost = button.dataset.cost; pressed(figure, "data-cost", cost); draw(); });
  }
  draw();
  return draw;
}

function curves(figure, data) {
  const host = figure.querySelector(".canvas");
  const hidden = new Set(data.curves.slice(HUES).map((curve) => curve.index));
  const drawn = (name) => data.curves.some((each) => each.bands[name].mean.length);
  let measure = Object.keys(data.measures).find(drawn) ?? "val_top1";
  pressed(figure, "data-measure", measure);
  function draw() {
    const shown = data.curves.filter((each) => !hidden.has(each.index));
    const bands = shown.map((each) => each.bands[measure]);
    const epochs = Math.max(2, ...data.curves.map((each) => each.bands[measure].mean.length));
    const values = bands.flatMap((band) => [...band.low, ...band.high]);
    const { svg, x, y } = axes(host, [1, epochs], reach(values.length ? values : [0, 1]), "Epoch", data.measures[measure], (value) => (Number.isInteger(value) ? String(value) : ""));
    shown.forEach((each, number) => {
      const band = bands[number];
      const points = (list) => list.map((value, at) => `${x(at + 1)},${y(value)}`);
      const around = [...points(band.high), ...points(band.low).reverse()];
      const group = node("g", { class: `s${each.index % HUES}` });
      group.append(node("polygon", { class: "band", points: around.join(" ") }));
      const dashes = ["none", "6 4", "2 3", "8 3 2 3"][Math.floor(each.index / HUES) % 4];
      group.append(node("polyline", { class: "line", "stroke-dasharray": dashes, points: points(band.mean).join(" ") }));
      svg.append(group);
    });
    host.replaceChildren(svg);
  }
  for (const button of figure.querySelectorAll("[data-measure]")) {
    button.addEventListener("click", () => { measure = button.dataset.measure; pressed(figure, "data-measure", measure); draw(); });
  }
  for (const button of figure.querySelectorAll("[data-variant]")) {
    const index = Number(button.dataset.variant);
    button.setAttribute("aria-pressed", String(!hidden.has(index)));
    button.addEventListener("click", () => {
      if (!hidden.delete(index)) hidden.add(index);
      button.setAttribute("aria-pressed", String(!hidden.has(index)));
      draw();
    });
  }
  draw();
  return draw;
}

function keys(figure) {
  for (const button of figure.querySelectorAll("[data-index]")) {
    const index = Number(button.dataset.index);
    const mark = shape(index, 8, 8, 5);
    mark.setAttribute("class", button.dataset.equal ? "mark equal" : "mark");
    button.prepend(node("svg", { class: `s${index % HUES}`, width: 16, height: 16, "aria-hidden": "true" }, mark));
  }
}

const all = JSON.parse(document.getElementById("data").textContent);
document.querySelectorAll("table.sortable").forEach(sortable);
document.querySelectorAll("figure").forEach(keys);
const redraw = [];
document.querySelectorAll("figure.scatter").forEach((each) => redraw.push(scatter(each, all[each.dataset.of])));
document.querySelectorAll("figure.curves").forEach((each) => redraw.push(curves(each, all[each.dataset.of])));
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
