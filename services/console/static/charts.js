// Draws the curves of a page with uPlot; holds no more points than the server says a chart reaches over.
/* global uPlot */

const LIBRARY = "uplot-1.6.32.min";

// Fetches what draws; a page is painted without waiting for it.
export async function library() {
  const address = (ending) => new URL(`./${LIBRARY}.${ending}`, import.meta.url).href;
  const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: address("css") });
  const script = Object.assign(document.createElement("script"), { src: address("js") });
  const loaded = [style, script].map((element) => new Promise((resolve, reject) => {
    element.onload = resolve;
    element.onerror = () => reject(new Error(`${element.href ?? element.src} did not come`));
  }));
  document.head.append(style, script);
  await Promise.all(loaded);
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function colour(name) {
  // Canvas knows no custom properties: a hidden element tells what one comes to in the present theme.
  const probe = document.createElement("span");
  probe.className = `probe probe-${name}`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function rem() {
  return parseFloat(getComputedStyle(document.documentElement).fontSize);
}

const two = (value) => String(value).padStart(2, "0");
// Local time of Asia/Shanghai wherever the page is looked at.
const clock = (ms) => new Date(ms + 8 * HOUR_MS).toISOString().slice(11, 16);

class Chart {
  constructor(element) {
    this.element = element;
    this.points = new Map();
    this.span = JSON.parse(element.dataset.span);
    for (const [at, ...row] of JSON.parse(element.dataset.points)) this.points.set(at, row);
    element.removeAttribute("data-points");
    this.draw();
  }

  take(points, span) {
    if (span) this.span = span;
    for (const [at, ...row] of points ?? []) this.points.set(at, row);
    const [from, to] = this.span;
    for (const at of this.points.keys()) if (at < from || at >= to) this.points.delete(at);
    this.plot.setData(this.data());
  }

  draw() {
    this.plot?.destroy();
    const { clientWidth: width, clientHeight: height } = this.element;
    this.plot = new uPlot({ ...this.options(), width, height }, this.data(), this.element);
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (width && height) this.plot.setSize({ width, height });
  }

  axes(values, splits) {
    const size = 0.75 * rem();
    const family = getComputedStyle(document.body).fontFamily;
    const common = {
      stroke: colour("quiet"),
      font: `${size}px ${family}`,
      grid: { stroke: colour("grid"), width: 1 },
      ticks: { show: false },
      gap: 0.35 * rem(),
    };
    // As many decimals as two neighbouring lines need to differ.
    const plain = (_, ticks) => {
      const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : 1;
      const decimals = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9) + (String(Number((step / 10 ** Math.floor(Math.log10(step))).toFixed(2))).length > 1 ? 1 : 0));
      return ticks.map((tick) => tick.toLocaleString("en-US", { minimumFractionDigits: Math.min(decimals, 6), maximumFractionDigits: Math.min(decimals, 6) }));
    };
    return [
      { ...common, grid: { show: false }, values, splits, size: 1.6 * rem(), space: 3.2 * rem() },
      { ...common, values: plain, size: 3.8 * rem(), space: 2.2 * rem() },
    ];
  }
}

class DayChart extends Chart {
  data() {
    const [, , day] = this.span;
    const hours = Array.from({ length: 24 }, (_, hour) => hour);
    // An hour that is not all there would look like a fall: it is a dot beside the line.
    const at = (start, partial) =>
      hours.map((hour) => {
        const [value, missing] = this.points.get(start + hour * HOUR_MS) ?? [null, null];
        return missing > 0 === partial ? value : null;
      });
    return [hours, at(day - DAY_MS, false), at(day, false), at(day, true)];
  }

  options() {
    const width = rem() / 16;
    return {
      cursor: { show: false },
      legend: { show: false },
      padding: [0.5 * rem(), 0.5 * rem(), 0, 0],
      scales: {
        x: { time: false, range: [-0.5, 23.5] },
        y: { range: (_, low, high) => (high > low ? [Math.min(0, low), high * 1.08] : [Math.min(0, low), Math.max(high, 0) * 1.1 || 1]) },
      },
      axes: this.axes((_, ticks) => ticks.map((hour) => `${two(hour)}:00`), () => [0, 3, 6, 9, 12, 15, 18, 21]),
      series: [
        {},
        { stroke: colour("yesterday"), width: 2 * width, dash: [5 * width, 4 * width], points: { show: false }, paths: uPlot.paths.spline() },
        { stroke: colour("today"), fill: colour("fill"), width: 3 * width, points: { show: true, size: 6 * width, fill: colour("today") }, paths: uPlot.paths.spline() },
        { stroke: colour("today"), width: 0, paths: () => null, points: { show: true, size: 8 * width, width: 2 * width, fill: colour("panel"), stroke: colour("today") } },
      ],
    };
  }
}

class ReadingChart extends Chart {
  data() {
    const rows = [...this.points].sort((one, other) => one[0] - other[0]);
    const steps = rows.slice(1).map((row, at) => row[0] - rows[at][0]).sort((one, other) => one - other);
    const step = Number(this.element.dataset.step) || steps[steps.length >> 1] || HOUR_MS;
    const [x, all, other] = [[], [], []];
    let before = null;
    for (const [at, [value, quality]] of rows) {
      // What is missing between two readings is a gap, not a line.
      if (before !== null && at - before > 1.5 * step) {
        x.push(before + step);
        all.push(null);
        other.push(null);
      }
      x.push(at);
      all.push(value);
      other.push(quality ? value : null);
      before = at;
    }
    return [x, all, other];
  }

  options() {
    const width = rem() / 16;
    const stepped = this.element.dataset.kind === "interval";
    return {
      cursor: { show: false },
      legend: { show: false },
      padding: [0.5 * rem(), 0.5 * rem(), 0, 0],
      scales: {
        x: { time: false, range: () => [Math.min(this.span[0], this.span[1] - HOUR_MS), this.span[1] - HOUR_MS] },
      },
      axes: this.axes(
        (_, ticks) => ticks.map(clock),
        (_, __, low, high) => {
          const ticks = [];
          for (let at = Math.ceil(low / (4 * HOUR_MS)) * 4 * HOUR_MS; at <= high; at += 4 * HOUR_MS) ticks.push(at);
          return ticks;
        },
      ),
      series: [
        {},
        { stroke: colour("today"), fill: stepped ? colour("fill") : undefined, width: 2 * width, points: { show: false }, spanGaps: false, paths: stepped ? uPlot.paths.stepped({ align: -1 }) : undefined },
        { stroke: colour("other"), width: 0, paths: () => null, points: { show: true, size: 8 * width, fill: colour("other"), stroke: colour("other") } },
      ],
    };
  }
}

export class Charts {
  constructor(elements) {
    this.charts = new Map();
    for (const element of elements) {
      const kind = element.dataset.chart === "readings" ? ReadingChart : DayChart;
      this.charts.set(element.dataset.chart, new kind(element));
    }
    const redraw = () => this.charts.forEach((chart) => chart.draw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    let frame = 0;
    const sized = new ResizeObserver(() => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => this.charts.forEach((chart) => chart.resize()));
    });
    for (const element of elements) sized.observe(element);
  }

  take(points, spans) {
    for (const [name, chart] of this.charts) {
      if (points[name] || spans[name]) chart.take(points[name], spans[name]);
    }
  }
}
