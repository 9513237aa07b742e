"use strict";
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const data = read("data"), sheets = read("sheets");
const canvas = document.getElementById("map"), pen = canvas.getContext("2d");
const tip = document.getElementById("tip"), seen = document.getElementById("seen");
const n = data.keys.length, flat = data.dims === 2, MIDDLE = 5000, REACH = 14;
const view = { zoom: 1, x: 0, y: 0, turn: flat ? 0 : 0.5, tilt: flat ? 0 : 0.35 };
const pale = data.doubts.find((doubt) => doubt.pale);
let chosen = -1, only = -1, wanted = false, turning = 0;
let across = new Float32Array(n), down = new Float32Array(n), depth = new Float32Array(n);

// How opaque each point is: the most doubtful twentieth is palest.
const opaque = new Float32Array(n).fill(0.92);
if (pale) {
  const known = pale.values.filter((value) => value !== null).sort((a, b) => a - b);
  const at = (share) => known[Math.floor(share * (known.length - 1))];
  const low = at(0.05), high = Math.max(at(0.95), low + 1);
  pale.values.forEach((value, i) => {
    if (value !== null) opaque[i] = 0.92 - 0.7 * Math.min(1, Math.max(0, (value - low) / (high - low)));
  });
}
const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => opaque[a] - opaque[b]);

// Where points lie on the screen, in CSS pixels.
function project(places, xs, ys, zs) {
  const { width, height } = canvas.getBoundingClientRect();
  const unit = (0.92 * Math.min(width, height) / 10000) * view.zoom * (flat ? 1 : 0.78);
  const c = Math.cos(view.turn), s = Math.sin(view.turn), ct = Math.cos(view.tilt), st = Math.sin(view.tilt);
  for (let i = 0; i < xs.length; i++) {
    let x = places[0][i] - MIDDLE, y = places[1][i] - MIDDLE;
    if (!flat) {
      const z = places[2][i] - MIDDLE, u = c * x + s * z, w = c * z - s * x;
      x = u;
      zs[i] = ct * w - st * y;
      y = ct * y + st * w;
    }
    xs[i] = width / 2 + (x - view.x) * unit;
    ys[i] = height / 2 - (y - view.y) * unit;
  }
  return unit;
}

function draw() {
  wanted = false;
  const ratio = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
  canvas.width = Math.round(box.width * ratio);
  canvas.height = Math.round(box.height * ratio);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  const size = Math.min(6, Math.max(1.6, (110 / Math.sqrt(n)) * Math.sqrt(view.zoom))) * (flat ? 1 : 0.7);
  if (data.behind.length) {
    const count = data.behind[0].length;
    const xs = new Float32Array(count), ys = new Float32Array(count);
    project(data.behind, xs, ys, new Float32Array(count));
    pen.globalAlpha = 0.35;
    pen.fillStyle = "#9b9a94";
    for (let i = 0; i < count; i++) dot(xs[i], ys[i], size * 0.7);
  }
  project(data.places, across, down, depth);
  const drawn = flat ? order : Array.from(order).sort((a, b) => depth[b] - depth[a]);
  for (const i of drawn) {
    const off = only >= 0 && data.colours[i] !== only;
    const near = flat ? 1 : 1.25 - depth[i] / 14000;
    pen.globalAlpha = (off ? 0.06 : opaque[i]) * (flat ? 1 : Math.min(1, near));
    pen.fillStyle = data.palette[data.colours[i]];
    dot(across[i], down[i], size * near);
  }
  pen.globalAlpha = 1;
  const ink = getComputedStyle(document.body).color;
  pen.strokeStyle = ink;
  pen.lineWidth = 0.9;
  for (const i of data.placed) ring(across[i], down[i], size + 1.6);
  if (chosen >= 0) {
    pen.lineWidth = 2;
    ring(across[chosen], down[chosen], size + 5);
  }
}

function dot(x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

function ring(x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.stroke();
}

function redraw() {
  if (!wanted) {
    wanted = true;
    requestAnimationFrame(draw);
  }
}

function picture(element, i, side) {
  const place = data.pictured[i], each = data.across * data.across;
  element.style.backgroundImage = place < 0 ? "none" : `url("${sheets[Math.floor(place / each)]}")`;
  if (place >= 0) {
    const here = place % each, scale = side / data.side;
    element.style.backgroundSize = `${Math.round(sheetWidth(place) * scale)}px auto`;
    element.style.backgroundPosition =
      `${-(here % data.across) * side}px ${-Math.floor(here / data.across) * side}px`;
  }
}

// The last sheet may be narrower than the others.
function sheetWidth(place) {
  const each = data.across * data.across, first = Math.floor(place / each) * each;
  return Math.min(data.across, data.total - first) * data.side;
}

function describe(i) {
  const lines = [];
  if (data.texts.length && data.texts[i]) lines.push(`${data.named}: ${data.texts[i]}`);
  for (const doubt of data.doubts) {
    lines.push(`${doubt.title}: ${doubt.values[i] === null ? "not measured" : (doubt.values[i] / 100).toFixed(2)}`);
  }
  if (data.pictured[i] < 0) lines.push("no thumbnail on this page");
  return lines.join("\n");
}

function choose(i, withTip) {
  chosen = i;
  tip.style.display = "none";
  if (i >= 0) {
    seen.querySelector("h2").textContent = `${(i + 1).toLocaleString("en")} of ${n.toLocaleString("en")}`;
    const frame = seen.querySelector(".picture");
    picture(frame, i, 160);
    frame.setAttribute("aria-label", data.keys[i]);
    seen.querySelector(".name").textContent = data.keys[i];
    seen.querySelector(".more").textContent = describe(i);
    if (withTip) {
      const box = canvas.getBoundingClientRect();
      tip.querySelector(".picture").hidden = data.pictured[i] < 0;
      picture(tip.querySelector(".picture"), i, 128);
      tip.querySelector(".name").textContent = data.keys[i];
      tip.style.display = "block";
      const left = across[i] + 16 + 150 > box.width ? across[i] - 16 - tip.offsetWidth : across[i] + 16;
      tip.style.left = `${Math.max(0, left)}px`;
      tip.style.top = `${Math.max(0, Math.min(down[i] - 30, box.height - tip.offsetHeight))}px`;
    }
  }
  redraw();
}

function nearest(x, y) {
  let best = -1, bar = REACH * REACH;
  for (let i = 0; i < n; i++) {
    if (only >= 0 && data.colours[i] !== only) continue;
    const far = (across[i] - x) ** 2 + (down[i] - y) ** 2;
    if (far < bar) {
      bar = far;
      best = i;
    }
  }
  return best;
}

// The nearest point in a quarter of the plane, from the chosen one.
function step(dx, dy) {
  if (chosen < 0) {
    const { width, height } = canvas.getBoundingClientRect();
    let best = 0;
    for (let i = 0; i < n; i++) {
      if (Math.hypot(across[i] - width / 2, down[i] - height / 2) <
          Math.hypot(across[best] - width / 2, down[best] - height / 2)) best = i;
    }
    return choose(best, true);
  }
  let best = -1, bar = Infinity;
  for (let i = 0; i < n; i++) {
    if (only >= 0 && data.colours[i] !== only) continue;
    const x = across[i] - across[chosen], y = down[i] - down[chosen];
    const along = x * dx + y * dy, aside = Math.abs(x * dy) + Math.abs(y * dx);
    if (along > 0.01 && along >= aside && x * x + y * y < bar) {
      bar = x * x + y * y;
      best = i;
    }
  }
  if (best >= 0) choose(best, true);
}

function zoom(by, x, y) {
  const box = canvas.getBoundingClientRect();
  const before = project(data.places, across, down, depth);
  const most = 200, next = Math.min(most, Math.max(0.5, view.zoom * by)), after = (before * next) / view.zoom;
  if (flat) {
    view.x += (x - box.width / 2) * (1 / before - 1 / after);
    view.y -= (y - box.height / 2) * (1 / before - 1 / after);
  }
  view.zoom = next;
  tip.style.display = "none";
  redraw();
}

const middle = () => [canvas.clientWidth / 2, canvas.clientHeight / 2];
const whole = () => {
  Object.assign(view, { zoom: 1, x: 0, y: 0 });
  redraw();
};
let held = null;
canvas.addEventListener("pointerdown", (event) => {
  held = { x: event.offsetX, y: event.offsetY };
  canvas.setPointerCapture(event.pointerId);
  choose(nearest(event.offsetX, event.offsetY), event.pointerType === "mouse");
});
canvas.addEventListener("pointerup", () => { held = null; });
canvas.addEventListener("pointercancel", () => { held = null; });
canvas.addEventListener("pointerleave", () => { tip.style.display = "none"; });
canvas.addEventListener("pointermove", (event) => {
  if (held) {
    const x = event.offsetX - held.x, y = event.offsetY - held.y;
    if (flat) {
      const unit = (0.92 * Math.min(canvas.clientWidth, canvas.clientHeight) / 10000) * view.zoom;
      view.x -= x / unit;
      view.y += y / unit;
    } else {
      view.turn += x / 150;
      view.tilt = Math.max(-1.5, Math.min(1.5, view.tilt + y / 150));
    }
    held = { x: event.offsetX, y: event.offsetY };
    tip.style.display = "none";
    redraw();
  } else {
    const i = nearest(event.offsetX, event.offsetY);
    if (i !== chosen || tip.style.display === "none") choose(i >= 0 ? i : chosen, i >= 0);
  }
});
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY / 500), event.offsetX, event.offsetY);
}, { passive: false });
canvas.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (moves[event.key]) step(...moves[event.key]);
  else if (event.key === "+" || event.key === "=") zoom(1.4, ...middle());
  else if (event.key === "-") zoom(1 / 1.4, ...middle());
  else if (event.key === "0") whole();
  else return;
  event.preventDefault();
});
document.getElementById("in").addEventListener("click", () => zoom(1.6, ...middle()));
document.getElementById("out").addEventListener("click", () => zoom(1 / 1.6, ...middle()));
document.getElementById("all").addEventListener("click", whole);
const legend = document.getElementById("legend");
if (legend) {
  legend.addEventListener("click", (event) => {
    const pressed = event.target.closest("button");
    if (!pressed) return;
    const colour = Number(pressed.dataset.colour);
    only = only === colour ? -1 : colour;
    for (const one of legend.querySelectorAll("button")) {
      one.setAttribute("aria-pressed", String(Number(one.dataset.colour) === only));
    }
    redraw();
  });
}
const turn = document.getElementById("turn");
function rotate() {
  view.turn += 0.006;
  redraw();
  turning = requestAnimationFrame(rotate);
}
if (turn) {
  turn.addEventListener("click", () => {
    const going = turn.getAttribute("aria-pressed") === "true";
    turn.setAttribute("aria-pressed", String(!going));
    if (going) cancelAnimationFrame(turning);
    else rotate();
  });
}
window.addEventListener("resize", redraw);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
draw();
// A page may be opened at a point: map.html#point=12
const asked = /^#point=(\d+)$/.exec(location.hash);
if (asked && Number(asked[1]) >= 1 && Number(asked[1]) <= n) choose(Number(asked[1]) - 1, true);
