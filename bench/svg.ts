/** The parts of SVG that the chart needs. The colours follow the reader's light or dark scheme. */
export type Element = string;

const style = `
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px }
.label, .note { fill: #59636e }
.note { font-size: 11px }
.end { text-anchor: end }
.middle { text-anchor: middle }
rect.ours { fill: #0969da }
rect.peer { fill: #8c959f }
rect.limit { fill: none; stroke: #8c959f; stroke-dasharray: 4 3 }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
.line.ours { stroke: #0969da }
.line.peer { stroke: #8c959f }
.grid { stroke: #8c959f; stroke-opacity: 0.3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .label, .note { fill: #9198a1 }
  rect.ours { fill: #4493f8 }
  .line.ours { stroke: #4493f8 }
}
`;

export function svg(width: number, height: number, elements: readonly Element[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="What sessiond and its peers do in the benchmark">`,
    `<style>${style}</style>`,
    ...elements,
    "</svg>\n",
  ].join("\n");
}

export function text(x: number, y: number, content: string, className: string): Element {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text class="${className}" x="${x.toFixed(1)}" y="${y.toFixed(1)}">${escaped}</text>`;
}

/** The position of a value on a logarithmic axis. */
export function axis(
  [from, to]: [number, number],
  [start, end]: [number, number],
): (value: number) => number {
  const factor = (end - start) / (Math.log(to) - Math.log(from));
  return (value) => Number((start + (Math.log(value) - Math.log(from)) * factor).toFixed(1));
}
