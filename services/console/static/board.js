// Keeps a page current: takes what the server says has changed and says so when nothing comes any more.
import { Charts, library } from "./charts.js";

const STALE_MS = 12_000; // the server sends a heartbeat every 5 s
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
const TURN_MS = 10_000;
const UNTOUCHED_MS = 60_000;

// What the server drew is painted before anything else is done; a page in the background is never painted.
await new Promise((resolve) => {
  requestAnimationFrame(() => setTimeout(resolve));
  setTimeout(resolve, 1_000);
});

const root = document.documentElement;
const body = document.body;
const cells = new Map();
for (const cell of document.querySelectorAll("[data-cell]")) cells.set(cell.dataset.cell, cell);
// Without the curves there are still their tables and all the rest.
const charts = await library().then(() => new Charts(document.querySelectorAll("[data-chart]")), () => null);

let mark = body.dataset.since;
let source = null;
let heardAt = performance.now();
let askedAt = heardAt;
let waitMs = FIRST_WAIT_MS;
let timer = 0;
let trouble = false;
let newsKnown = known(cells.get("news"));

function known(element) {
  return Number(element?.querySelector("[data-known]")?.dataset.known ?? 0);
}

function put(key, html) {
  const cell = cells.get(key);
  if (!cell) return;
  if (key === "news") {
    // Only what is newer than all that was said may be read out.
    const fragment = document.createElement("div");
    fragment.innerHTML = html;
    if (known(fragment) <= newsKnown) return;
    newsKnown = known(fragment);
  }
  const focused = cell.contains(document.activeElement) ? document.activeElement.id : "";
  cell.innerHTML = html;
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function link(state) {
  if (root.dataset.link !== state) root.dataset.link = state;
}

function heard(event) {
  if (event.lastEventId) mark = event.lastEventId;
  heardAt = performance.now();
  waitMs = FIRST_WAIT_MS;
  link(trouble ? "trouble" : "live");
}

function connect() {
  close();
  const address = `${body.dataset.live}&since=${encodeURIComponent(mark)}`;
  source = new EventSource(address);
  askedAt = performance.now();
  source.addEventListener("change", (event) => {
    const change = JSON.parse(event.data);
    trouble = false;
    heard(event);
    for (const [key, html] of Object.entries(change.cells)) put(key, html);
    charts?.take(change.points, change.spans);
  });
  source.addEventListener("beat", (event) => {
    trouble = JSON.parse(event.data).trouble;
    heard(event);
  });
  source.addEventListener("reload", () => location.reload());
  source.addEventListener("error", again);
}

function close() {
  source?.close();
  source = null;
}

function again() {
  close();
  clearTimeout(timer);
  // Many displays lose a server at once: they must not all come back in the same instant.
  timer = setTimeout(retry, waitMs * (0.75 + Math.random() / 2));
  waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
}

async function retry() {
  try {
    // An EventSource does not tell why it was refused.
    const answer = await fetch("/board/session", { cache: "no-store", signal: AbortSignal.timeout(10_000) });
    if (answer.status === 401 || answer.status === 403) {
      link("refused");
      waitMs = LONGEST_WAIT_MS;
      return again();
    }
    if (!answer.ok) return again();
    connect();
  } catch {
    again();
  }
}

const age = document.getElementById("link-age");
function look() {
  const silentMs = performance.now() - heardAt;
  if (silentMs < STALE_MS || root.dataset.link === "refused") return;
  link("stale");
  const seconds = Math.round(silentMs / 1000);
  age.textContent = seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
  // A connection that died without a word gives no error.
  if (source && performance.now() - askedAt > STALE_MS) again();
}

// Nobody scrolls a wall: what does not fit into a panel is shown by turns, unless somebody is at the page.
const wall = matchMedia("(min-width: 1700px) and (min-aspect-ratio: 3/2) and (prefers-reduced-motion: no-preference)");
let touchedAt = -Infinity;
for (const kind of ["pointermove", "keydown", "wheel", "touchstart"]) {
  addEventListener(kind, () => (touchedAt = performance.now()), { passive: true });
}
function turn() {
  if (!wall.matches || performance.now() - touchedAt < UNTOUCHED_MS) return;
  for (const panel of document.querySelectorAll(".scroll")) {
    const rest = panel.scrollHeight - panel.clientHeight - panel.scrollTop;
    if (panel.scrollHeight - panel.clientHeight < 2) continue;
    panel.scrollTo({ top: rest < 2 ? 0 : panel.scrollTop + panel.clientHeight * 0.85, behavior: "smooth" });
  }
}

setInterval(look, 1_000);
setInterval(turn, TURN_MS);
addEventListener("pagehide", close);
addEventListener("pageshow", (event) => {
  if (event.persisted) connect();
});
connect();
