"use strict";
const SVG = "http://www.w3.org/2000/svg";
const pictures = { a: null, b: null };
let latest = 0;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawing(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

function found(picture) {
  const view = `0 0 ${picture.width} ${picture.height}`;
  const marks = drawing("svg", { viewBox: view });
  const line = Math.max(picture.width, picture.height) / 200;
  const [left, top, right, bottom] = picture.box;
  marks.append(drawing("rect", { x: left, y: top, width: right - left, height: bottom - top,
    fill: "none", stroke: "#2da44e", "stroke-width": line, class: "box" }));
  for (const [x, y] of picture.landmarks || [])
    marks.append(drawing("circle", { cx: x, cy: y, r: line * 1.5, fill: "#ffd33d", class: "landmark" }));
  return marks;
}

function show(side, picture) {
  const drop = document.getElementById(`drop-${side}`);
  const parts = [];
  if (picture.picture) {
    const shown = element("div", { class: "shown" }, element("img", { src: picture.picture, alt: "" }));
    if (picture.box) shown.append(found(picture));
    parts.push(shown);
  }
  if (picture.crop) {
    const facts = Object.entries(picture.quality).filter(([, value]) => value !== null)
      .map(([name, value]) => element("tr", {}, element("td", {}, name.replace("_", " ")),
        element("td", {}, value.toFixed(2))));
    parts.push(element("div", { class: "crop" }, element("img", { src: picture.crop, alt: "aligned face" }),
      element("table", {}, ...facts)));
  }
  if (picture.error)
    parts.push(element("p", { class: "error" }, `${picture.error.code}: ${picture.error.what}. ${picture.error.remedy}`));
  const content = element("div", {}, ...parts);
  drop.replaceChildren(drop.querySelector("input"), content);
}

function percent(rate) {
  return rate >= 0.001 ? `${(100 * rate).toFixed(2)} %` : rate.toExponential(1);
}

// Both error rates against the score at which one would accept; the score of these two is marked.
function curve(result) {
  const { cosines, fmr, fnmr } = result.curve;
  const x = value => 40 + 640 * (value - cosines[0]) / (cosines.at(-1) - cosines[0]);
  const y = rate => 20 + 200 * Math.min(1, Math.log10(Math.max(rate, 1e-6)) / -6);
  const path = rates => rates.map((rate, i) => `${i ? "L" : "M"}${x(cosines[i]).toFixed(1)} ${y(rate).toFixed(1)}`).join("");
  const made = drawing("svg", { class: "curve", viewBox: "0 0 720 260", role: "img" });
  for (const power of [0, -2, -4, -6]) {
    made.append(drawing("line", { x1: 40, x2: 680, y1: y(10 ** power), y2: y(10 ** power), stroke: "#8884" }));
    made.append(drawing("text", { x: 0, y: y(10 ** power) + 4 }, `1e${power}`));
  }
  made.append(drawing("path", { d: path(fmr), fill: "none", stroke: "#cf222e", "stroke-width": 2 }));
  made.append(drawing("path", { d: path(fnmr), fill: "none", stroke: "#0969da", "stroke-width": 2 }));
  for (const [value, label, colour] of [[result.threshold.value, "threshold", "#888"], [result.cosine, "these two", "#2da44e"]]) {
    made.append(drawing("line", { x1: x(value), x2: x(value), y1: 20, y2: 220, stroke: colour, "stroke-width": 2, class: "mark" }));
    made.append(drawing("text", { x: x(value) + 4, y: label === "threshold" ? 34 : 50 }, label));
  }
  made.append(drawing("text", { x: 40, y: 250 }, "false matches (red) and false non-matches (blue), by the score one would accept at"));
  return made;
}

function decide(result) {
  const t = result.threshold;
  const rows = [
    ["cosine", result.cosine.toFixed(4)],
    ["threshold", `${t.value.toFixed(4)} (accept strictly above)`],
    ["false match rate", `target ${percent(t.fmr_target)}, measured ${percent(t.fmr)}, at most ${percent(t.fmr_upper)} with ${Math.round(100 * t.confidence)} % confidence`],
    ["evidence", `${t.impostors.toLocaleString("en")} impostor pairs of ${t.subjects.toLocaleString("en")} subjects (${t.dataset})`],
  ];
  if (result.det)
    rows.push(["at this very score", `${percent(result.det.fmr)} of strangers would match, ${percent(result.det.fnmr)} of genuine pairs would not`]);
  rows.push(["ran", `${result.artifact} on ${result.provider}`]);
  const heading = element("h2", { class: result.match ? "match" : "no-match" }, result.match ? "MATCH" : "NO MATCH");
  const table = element("table", {}, ...rows.map(([name, text]) => element("tr", {}, element("td", {}, name), element("td", {}, text))));
  return [heading, table, ...(result.curve ? [curve(result)] : [])];
}

async function compare() {
  const place = document.getElementById("result");
  if (!pictures.a || !pictures.b) return;
  const mine = ++latest;
  place.replaceChildren("comparing …");
  try {
    const body = JSON.stringify({ a: await base64(pictures.a), b: await base64(pictures.b) });
    const answer = await (await fetch("compare", { method: "POST", body })).json();
    if (mine !== latest) return;
    if (answer.error) throw new Error(`${answer.error.code}: ${answer.error.what}`);
    show("a", answer.pictures[0]);
    show("b", answer.pictures[1]);
    place.replaceChildren(...(answer.result ? decide(answer.result) : ["no decision"]));
  } catch (error) {
    place.replaceChildren(element("p", { class: "error" }, String(error.message || error)));
  }
}

for (const side of ["a", "b"]) {
  const drop = document.getElementById(`drop-${side}`);
  const input = document.getElementById(`file-${side}`);
  const take = files => {
    if (!files.length) return;
    pictures[side] = files[0];
    drop.querySelector(":scope > span")?.replaceChildren(files[0].name);
    compare();
  };
  input.addEventListener("change", () => take(input.files));
  drop.addEventListener("dragover", event => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", event => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event.dataTransfer.files);
  });
}
