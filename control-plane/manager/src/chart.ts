import uPlot from 'uplot';
import type { FleetSample } from './fleet-feed.ts';

export interface ChartLine {
  label: string;
  member: keyof FleetSample;
  /** A colour of the style sheet. */
  colour: string;
  dash?: number[];
}

const TIME = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
/** What is shown of time at least. */
const LEAST_SECONDS = 120;

/** Lines over time in an element, in the colours of the theme that is on. */
export class Chart {
  readonly #element: HTMLElement;
  readonly #lines: readonly ChartLine[];
  readonly #observer: ResizeObserver;
  readonly #theme = window.matchMedia('(prefers-color-scheme: dark)');
  #plot: uPlot | null = null;
  #samples: readonly FleetSample[] = [];

  constructor(element: HTMLElement, lines: readonly ChartLine[]) {
    this.#element = element;
    this.#lines = lines;
    this.#observer = new ResizeObserver(() => this.#resize());
    this.#observer.observe(element);
    this.#theme.addEventListener('change', this.#draw);
  }

  show(samples: readonly FleetSample[]): void {
    this.#samples = samples;
    if (this.#plot) this.#plot.setData(this.#data());
    else this.#draw();
  }

  stop(): void {
    this.#observer.disconnect();
    this.#theme.removeEventListener('change', this.#draw);
    this.#plot?.destroy();
  }

  readonly #draw = (): void => {
    this.#plot?.destroy();
    const colour = (name: string) => this.#colour(name);
    const axis = { stroke: colour('--text-2'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
    this.#plot = new uPlot(
      {
        ...this.#size(),
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { range: () => this.#span() },
          y: { range: (_plot, _low, high) => [0, Math.max(4, Math.ceil(high * 1.1))] },
        },
        axes: [
          { ...axis, space: 90, size: 30, values: (_plot, times) => times.map((time) => TIME.format(time * 1000)) },
          {
            ...axis,
            size: 54,
            values: (_plot, values) => values.map((value) => (Number.isInteger(value) ? value.toLocaleString() : '')),
          },
        ],
        series: [
          {},
          ...this.#lines.map(({ label, colour: name, dash }) => ({
            ...{ label, stroke: colour(name), width: 2, points: { show: (plot: uPlot) => plot.data[0].length < 2 } },
            ...(dash && { dash }),
          })),
        ],
      },
      this.#data(),
      this.#element,
    );
  };

  /** A colour of the style sheet as a canvas takes it, that of the theme in use. */
  #colour(name: string): string {
    this.#element.style.color = `var(${name})`;
    const { color } = getComputedStyle(this.#element);
    this.#element.style.color = '';
    return color;
  }

  #data(): uPlot.AlignedData {
    return [
      this.#samples.map(({ at }) => at),
      ...this.#lines.map(({ member }) => this.#samples.map((sample) => sample[member])),
    ] as uPlot.AlignedData;
  }

  #span(): [number, number] {
    const last = this.#samples.at(-1)?.at ?? Date.now() / 1000;
    return [Math.min(this.#samples[0]?.at ?? last, last - LEAST_SECONDS), last];
  }

  #size(): { width: number; height: number } {
    return { width: Math.max(200, this.#element.clientWidth), height: this.#element.clientHeight || 180 };
  }

  #resize(): void {
    this.#plot?.setSize(this.#size());
  }
}
