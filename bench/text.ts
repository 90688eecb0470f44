/** How results are written down: a list of numbers takes one line, as the formatter has it. */
export function stringifyResults(results: object): string {
  const text = JSON.stringify(results, null, 2);
  const lists = text.replace(/\[\s+(-?[\d.eE+-]+(?:,\s+-?[\d.eE+-]+)*)\s+\]/g, (_, numbers: string) => {
    return `[${numbers.replace(/,\s+/g, ", ")}]`;
  });
  return `${lists}\n`;
}
